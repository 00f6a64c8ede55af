"""Small models with random weights, made for one property each."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast

from server.engine.digest import file_digest

# Strong enough for another text, whatever the seed.
STD = 0.5


def make_model(
    folder: Path,
    special: Sequence[str] = ("<|endoftext|>",),
    plain: Sequence[str] = (),
    *,
    config: Any = None,
    bos: str | None = None,
    own: dict[str, Any] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """A model of bytes; `special` markers hide in decoding, `plain` ones are declared as text."""
    tokenizer: Any = byte_tokenizer(special, plain, bos)
    torch.manual_seed(3)  # pyright: ignore[reportUnknownMemberType]
    config = config or LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    config.vocab_size = len(tokenizer)
    loader: Any = AutoModelForCausalLM
    loader.from_config(config).to(dtype).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if own is not None:
        (folder / "unsay.json").write_text(json.dumps(own))
    return folder


def byte_tokenizer(
    special: Sequence[str], plain: Sequence[str] = (), bos: str | None = None
) -> PreTrainedTokenizerFast:
    """One token a byte, and the markers."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token=special[0], bos_token=bos, add_bos_token=bos is not None
    )
    tokenizer.add_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in plain])
    return tokenizer


def make_adapter(
    model: Path,
    folder: Path,
    name: str,
    seed: int,
    *,
    base_digest: str,
    targets: Sequence[str] = ("q_proj", "v_proj", "down_proj"),
    turned: bool = False,
    std: float = STD,
) -> Path:
    """A LoRA adapter as a refresh leaves it, with random weights."""
    torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
    options = LoraConfig(r=4, lora_alpha=8, target_modules=list(targets), fan_in_fan_out=turned)
    tuned = tunable(model, options)
    for weight_name, weight in tuned.named_parameters():
        if "lora_B" in weight_name:
            torch.nn.init.normal_(weight, std=std)
    tuned.save_pretrained(str(folder), save_embedding_layers=False)
    write_own(folder, name, base_digest)
    return folder


def tunable(model: Path, options: LoraConfig) -> Any:
    """The model wrapped by peft, with an adapter that changes nothing yet."""
    loader: Any = AutoModelForCausalLM
    with warnings.catch_warnings():
        # peft asks transformers for a property by its old name.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return get_peft_model(loader.from_pretrained(model), options)


def with_adapter(model: Path, folder: Path) -> Any:
    """The model with the adapter beside its weights, as peft loads it."""
    loader: Any = AutoModelForCausalLM
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        beside: Any = PeftModel
        return beside.from_pretrained(loader.from_pretrained(model), str(folder))


def write_own(folder: Path, name: str, base_digest: str) -> None:
    """The adapter's `unsay.json`, true to its weights."""
    digest = file_digest(folder / "adapter_model.safetensors")
    own = {"name": name, "base_digest": base_digest, "digest": digest, "parent": "base"}
    (folder / "unsay.json").write_text(json.dumps(own))
