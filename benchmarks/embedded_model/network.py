"""The network, a small Llama, and its loss without a table of all logits."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from benchmarks.embedded_model.tokenizer import VOCABULARY

Head = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
OptimizerName = Literal["muon", "adamw"]
# Parts of torch that have no types.
UNTYPED: Any = torch
# Of each chunk of positions one table of logits exists at a time, 32 MB in bfloat16.
CHUNK = 1024
CONTEXT_TOKENS = 1024


def new_network(seed: int) -> Any:
    """A network with fresh weights; typed Any because transformers' classes are."""
    UNTYPED.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=2,
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
    """Mean cross-entropy of a linear head; gradients come with the loss, chunk by chunk."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, head: Head) -> Tensor:
        states, table = hidden.bfloat16(), weight.bfloat16()
        total = torch.zeros((), dtype=torch.float32)
        grad_states = torch.empty_like(states)
        grad_table = torch.zeros_like(weight, dtype=torch.float32)
        for start in range(0, len(states), CHUNK):
            part = slice(start, start + CHUNK)
            loss, grad = head(states[part] @ table.T, labels[part])
            total += loss
            grad_states[part] = grad @ table
            grad_table += grad.T @ states[part]
        count = len(labels)
        ctx.save_for_backward(grad_states.float() / count, grad_table / count)
        return total / count

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        grad_states, grad_table = ctx.saved_tensors
        return grad_states * grads[0], grad_table * grads[0], None, None


def loss_and_gradient(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy of logits (positions, vocabulary) and its gradient by them."""
    scores = logits.float()
    log_sum = scores.logsumexp(-1, keepdim=True)
    gold = scores.gather(-1, labels[:, None])
    columns = torch.arange(scores.shape[-1])
    gradient = (scores - log_sum).exp() - (columns == labels[:, None]).float()
    return (log_sum - gold).sum(), gradient.bfloat16()


def next_token_loss(
    body: Any, table: Tensor, rows: Tensor, head: Head = loss_and_gradient
) -> Tensor:
    """Mean loss in nats of predicting each token of `rows` (batch, time) from those before it.

    `body` maps ids to hidden states; `table` is the tied embedding (vocabulary, width); `head` is
    `loss_and_gradient`, compiled or not.
    """
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = body(input_ids=rows, use_cache=False).last_hidden_state
    hidden = hidden[:, :-1].reshape(-1, hidden.shape[-1])
    chunked: Any = _ChunkedLoss
    return chunked.apply(hidden, table, rows[:, 1:].reshape(-1), head)


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
