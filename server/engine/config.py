"""How the engine is set up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Merge = Literal["auto", "always", "never"]

EMBEDDED_MODEL = Path(__file__).parent.parent / "default_model"


@dataclass(frozen=True)
class EngineConfig:
    """The options of a local engine."""

    model: str | None = None
    """A folder or a name on the Hugging Face hub; None is the embedded model."""
    device: Device = "auto"
    """`auto` takes the first CUDA device there is, else the CPU."""
    dtype: Dtype = "auto"
    """`auto`: float32 on the CPU, bfloat16 on CUDA (float16 where that is missing)."""
    context_tokens: int | None = None
    """Prompt and completion together; None takes what the model says, within reason."""
    threads: int | None = None
    """CPU threads of one forward pass; None is half of the cores, the rest is the editor's."""
    merge: Merge = "auto"
    """Whether adapters are merged into a copy of the weights, or multiplied beside them, slower and
    in no more memory than their own. `auto` merges where the memory and the number format allow."""
    digest_cache: Path | None = None
    """A JSON file that remembers digests, so that a start need not read all of a large model."""

    def __post_init__(self) -> None:
        if self.context_tokens is not None and self.context_tokens < 64:
            raise ValueError(f"context_tokens is {self.context_tokens}; give 64 or more")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads is {self.threads}; give 1 or more")

    @property
    def source(self) -> str | Path:
        """The model to load."""
        return EMBEDDED_MODEL if self.model is None else self.model
