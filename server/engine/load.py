"""Load a causal language model from a folder or the hub: safetensors only, no foreign code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
import transformers
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from server.engine.config import Device, Dtype
from server.engine.digest import PARTS, model_digest
from server.engine.errors import (
    DeviceMissing,
    ModelDamaged,
    ModelNotFound,
    NotCausal,
    NotSafetensors,
)
from server.engine.fim import FimFormat, find_fim, read_unsay
from server.engine.healing import Vocabulary
from server.engine.memory import in_own_mappings
from server.engine.stored import Stored
from server.engine.text_codec import TextCodec

HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
# Longer prompts cost more than they bring while somebody waits for each key.
CPU_CONTEXT_TOKENS = 2048
CUDA_CONTEXT_TOKENS = 4096


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model with all that is needed to prompt it. Its weights are never changed."""

    stored: Stored
    device: torch.device
    dtype: torch.dtype
    tokenizer: Any
    codec: TextCodec
    fim: FimFormat | None
    name: str
    """As asked for; the folder's name for a path."""
    digest: str
    context_tokens: int
    folder: Path
    stops: frozenset[int]
    """Any of these ends a plain continuation."""
    end: int
    """The id that stands between texts."""
    is_exact: bool
    """The weights are as stored, not rounded to a narrower type."""

    @property
    def model(self) -> Any:
        """The transformers module, in evaluation mode."""
        return self.stored.model

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The texts of all tokens; made when first needed."""
        return Vocabulary(self.codec, len(self.tokenizer))

    @property
    def no_fim(self) -> str:
        """What to tell somebody who wants to fill in the middle with a model that cannot."""
        kind = "is a chat model" if self.tokenizer.chat_template else "was not trained for it"
        return (
            f"{self.name} cannot fill in the middle: its vocabulary has no markers for it, so it "
            f"{kind}. Send no suffix, or serve a base code model such as Qwen/Qwen2.5-Coder-0.5B"
        )


def load_model(
    source: str | Path,
    device: Device = "auto",
    dtype: Dtype = "auto",
    *,
    context_tokens: int | None = None,
    digest_cache: Path | None = None,
) -> LoadedModel:
    """A folder, or a hub name: that one is looked for in the local cache before the network.

    Raises ModelNotFound, ModelUnusable (and its kinds) and DeviceMissing.
    """
    folder, name = _folder(source)
    place = _device(device)
    _check_files(folder)
    config = _config(folder)
    number = _dtype(dtype, place)
    model = _model(folder, place, number)
    tokenizer = _tokenizer(folder)
    codec = TextCodec(tokenizer)
    ends = _ends(model, tokenizer, config)
    fim = find_fim(codec, folder, name, frozenset(ends))
    if fim is not None:
        codec.forbid(fim.stops)
    digest = model_digest(folder, digest_cache)

    def read_again() -> Any:
        if model_digest(folder, digest_cache) != digest:
            raise ModelDamaged(
                f"the model in {folder} was changed while it was asleep; restart the server"
            )
        return _model(folder, place, number)

    return LoadedModel(
        stored=Stored(model, read_again),
        device=model.device,
        dtype=model.dtype,
        tokenizer=tokenizer,
        codec=codec,
        fim=fim,
        name=name,
        digest=digest,
        context_tokens=_context_tokens(folder, config, place, context_tokens),
        folder=folder,
        stops=(fim.stops if fim else codec.control) | frozenset(ends),
        end=ends[0] if ends else 0,
        is_exact=number == torch.float32 or config.dtype == number,
    )


def read_weights(folder: Path, dtype: torch.dtype) -> Any:
    """The model of a folder on the CPU, every weight there and none left over by chance."""
    transformers.utils.logging.disable_progress_bar()
    loader: Any = AutoModelForCausalLM
    try:
        model, report = loader.from_pretrained(
            folder,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelDamaged(
            f"the weights in {folder} cannot be read ({_first_line(error)}); fetch the model again"
        ) from error
    lost: list[Any] = [*sorted(report["missing_keys"]), *report["mismatched_keys"]]
    if lost:
        raise ModelDamaged(
            f"the weights in {folder} do not fit its config.json: {len(lost)} are missing or of "
            f"another shape, the first is {lost[0]}; fetch the model again"
        )
    return model.eval().requires_grad_(False)


def _folder(source: str | Path) -> tuple[Path, str]:
    path = Path(source).expanduser()
    if path.is_dir():
        return path, path.resolve().name if isinstance(source, Path) else source
    if path.is_file():
        raise ModelNotFound(f"{path} is a file; give the folder that holds config.json")
    if isinstance(source, Path) or not HUB_NAME.fullmatch(source) or source.startswith("."):
        raise ModelNotFound(
            f"there is no folder {path}; give a folder that holds config.json and "
            "model.safetensors, or a name on the Hugging Face hub such as Qwen/Qwen2.5-Coder-0.5B"
        )
    return _from_hub(source), source


def _from_hub(name: str) -> Path:
    hub: Any = huggingface_hub
    wanted = [*PARTS, "generation_config.json"]
    try:
        return Path(hub.snapshot_download(name, allow_patterns=wanted, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    except HFValidationError as error:
        raise ModelNotFound(f"{name!r} is neither a folder nor a name on the hub") from error
    try:
        return Path(hub.snapshot_download(name, allow_patterns=wanted))
    except (HfHubHTTPError, OSError) as error:
        raise ModelNotFound(
            f"there is no folder {name!r}, and the hub gave no model of that name "
            f"({_first_line(error)}); check the name and the network, or give a folder"
        ) from error


def _check_files(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelNotFound(f"{folder} holds no config.json; give the folder of a model")
    if not any(folder.glob("*.safetensors")):
        raise NotSafetensors(
            f"{folder} holds no .safetensors file. Other weight files can run code when they are "
            "read and are refused; convert them with save_pretrained(safe_serialization=True)"
        )
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise ModelDamaged(f"{folder} holds no tokenizer; fetch the model again with its tokenizer")


def _config(folder: Path) -> Any:
    loader: Any = AutoConfig
    try:
        config = loader.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise NotCausal(
            f"{folder}/config.json describes no model that this transformers "
            f"({transformers.__version__}) knows ({_first_line(error)}). Models that bring their "
            "own code are refused; choose another"
        ) from error
    names: list[str] = config.architectures or []
    completes = any(n.endswith(("ForCausalLM", "LMHeadModel")) for n in names) or not names
    if config.is_encoder_decoder or not completes:
        raise NotCausal(
            f"{folder} holds a {', '.join(names) or config.model_type}, which does not complete "
            "text; choose a causal language model such as Qwen/Qwen2.5-Coder-0.5B"
        )
    return config


def _model(folder: Path, device: torch.device, dtype: torch.dtype) -> Any:
    with in_own_mappings():
        return _turned_head(read_weights(folder, dtype).to(device))


def _turned_head(model: Any) -> Any:
    head = model.get_output_embeddings()
    is_plain = model.device.type == "cpu" and model.dtype == torch.float32
    if is_plain and isinstance(head, nn.Linear):
        # One row times a wide matrix runs five times as fast when the matrix lies turned; an
        # embedding that is tied to it must not, so the head gets a copy.
        turned = head.weight.t().contiguous().t()
        head.weight = nn.Parameter(turned, requires_grad=False)
    return model


def _tokenizer(folder: Path) -> Any:
    loader: Any = AutoTokenizer
    try:
        return loader.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ModelDamaged(
            f"the tokenizer in {folder} cannot be read ({_first_line(error)}); fetch it again"
        ) from error


def _ends(model: Any, tokenizer: Any, config: Any) -> list[int]:
    ends: list[int] = []
    for found in (
        tokenizer.eos_token_id,
        config.eos_token_id,
        model.generation_config.eos_token_id,
    ):
        ends += found if isinstance(found, list) else [] if found is None else [found]
    return list(dict.fromkeys(ends))


def _device(device: Device) -> torch.device:
    if device == "cuda" and not torch.cuda.is_available():
        raise DeviceMissing("no CUDA device was found; start with the device `cpu` or `auto`")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def _dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    if dtype == "auto":
        # One row of bfloat16 attention costs four times one of float32 on the CPU.
        if device.type == "cpu":
            return torch.float32
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype]


def _context_tokens(folder: Path, config: Any, device: torch.device, asked: int | None) -> int:
    text = config.get_text_config()
    most = getattr(text, "max_position_embeddings", None) or CPU_CONTEXT_TOKENS
    usual = CPU_CONTEXT_TOKENS if device.type == "cpu" else CUDA_CONTEXT_TOKENS
    own: int = read_unsay(folder).get("context_tokens", usual)
    return min(most, asked or own)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
