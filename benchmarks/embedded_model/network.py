"""The network, a small Llama, and its loss without a table of all logits."""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.embedded_model.sizes import SIZES, SizeName
from benchmarks.embedded_model.tokenizer import VOCABULARY

Head = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
OptimizerName = Literal["muon", "adamw"]
# Parts of torch that have no types.
UNTYPED: Any = torch
HEAD_TOKENS = 1024
CONTEXT_TOKENS = 1024
NOTHING = -100


def new_network(seed: int, size: SizeName) -> Any:
    """A network with fresh weights; typed Any because transformers' classes are."""
    UNTYPED.manual_seed(seed)
    shape = SIZES[size]
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=shape.width,
        intermediate_size=shape.inner,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        head_dim=64,
        max_position_embeddings=CONTEXT_TOKENS,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0},
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=4,
    )
    return LlamaForCausalLM(config)


class _ChunkedLoss(torch.autograd.Function):
    """Mean cross-entropy of a linear head; gradients come with the loss, chunk by chunk.

    It is called between compiled parts, never inside one, and asks the device for no value.
    """

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, head: Head, chunk: int
    ) -> Tensor:
        states, table = hidden, weight.to(hidden.dtype)
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        grad_states = torch.empty_like(states)
        grad_table = torch.zeros_like(weight, dtype=torch.float32)
        for start in range(0, len(states), chunk):
            part = slice(start, start + chunk)
            loss, grad = head(states[part] @ table.T, labels[part])
            total += loss
            grad_states[part] = grad @ table
            grad_table += grad.T @ states[part]
        count = (labels != NOTHING).sum()
        ctx.save_for_backward(grad_states / count, grad_table / count)
        return total / count

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        grad_states, grad_table = ctx.saved_tensors
        return (
            (grad_states * grads[0]).to(grad_states.dtype),
            grad_table * grads[0],
            None,
            None,
            None,
        )


def loss_and_gradient(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy of logits (positions, vocabulary) and its gradient by them.

    A position whose label is NOTHING counts for nothing.
    """
    scores = logits.float()
    log_sum = scores.logsumexp(-1, keepdim=True)
    counts = (labels != NOTHING)[:, None]
    gold = scores.gather(-1, labels.clamp(min=0)[:, None])
    columns = torch.arange(scores.shape[-1], device=scores.device)
    gradient = (scores - log_sum).exp() - (columns == labels[:, None]).float()
    return ((log_sum - gold) * counts).sum(), (gradient * counts).to(logits.dtype)


def next_token_loss(
    body: Any,
    table: Tensor,
    rows: Tensor,
    head: Head = loss_and_gradient,
    head_tokens: int = HEAD_TOKENS,
) -> Tensor:
    """Mean loss in nats of predicting each token of `rows` (batch, time) from those before it.

    `body` maps ids to hidden states; `table` is the tied embedding (vocabulary, width); `head` is
    `loss_and_gradient`, compiled or not, and gets `head_tokens` positions at a time.
    """
    narrow = number_type(rows.device.type)
    with torch.autocast(rows.device.type, torch.bfloat16, enabled=narrow == torch.bfloat16):
        hidden = body(input_ids=rows, use_cache=False).last_hidden_state.to(narrow)
    # A row's last position predicts nothing but stays: so all chunks have one size and the
    # compiled head one shape.
    labels = pad(rows[:, 1:], (0, 1), value=NOTHING)
    chunked: Any = _ChunkedLoss
    return chunked.apply(
        hidden.reshape(-1, hidden.shape[-1]), table, labels.reshape(-1), head, head_tokens
    )


@cache
def number_type(device: str) -> torch.dtype:
    """What to multiply in: bfloat16, but not on a CPU without it, where it is ten times slower."""
    native: Any = torch.cpu
    if device == "cpu" and not native._is_avx512_bf16_supported():
        return torch.float32
    return torch.bfloat16


def optimizers(network: Any, name: OptimizerName, rate: float) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon for the hidden matrices and AdamW for embeddings and norms."""
    matrices = [p for n, p in network.named_parameters() if p.ndim == 2 and "embed" not in n]
    table = [p for n, p in network.named_parameters() if "embed" in n]
    norms = [p for p in network.parameters() if p.ndim == 1]
    rest: list[dict[str, Any]] = [{"params": table}, {"params": norms}]
    if name == "adamw":
        groups = [{"params": matrices, "weight_decay": 0.1}, *rest]
        return [torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)]
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)]
