"""The sizes of network that the recipe trains, and how much each device takes at once."""

from dataclasses import dataclass
from typing import Literal

SizeName = Literal["small", "medium"]
DeviceName = Literal["cpu", "cuda"]


@dataclass(frozen=True)
class Size:
    """A Llama; heads are 64 wide."""

    layers: int
    width: int
    inner: int
    """Width inside the MLP."""
    heads: int
    key_value_heads: int


# 8.6 and 23.1 million parameters; in bfloat16 17 and 46 MB.
SIZES: dict[SizeName, Size] = {
    "small": Size(layers=6, width=256, inner=704, heads=4, key_value_heads=2),
    "medium": Size(layers=10, width=448, inner=832, heads=7, key_value_heads=1),
}


@dataclass(frozen=True)
class Pace:
    """Tokens of one update, of one forward pass, and of one table of logits."""

    step_tokens: int
    pass_tokens: int
    head_tokens: int


# A CPU learns most from many small updates. A GPU needs much work at once: a pass of 65,536 tokens
# of the medium size keeps about 20 GB, a table of 16,384 positions 1 GB in float32.
PACES: dict[DeviceName, Pace] = {
    "cpu": Pace(step_tokens=2_048, pass_tokens=2_048, head_tokens=1_024),
    "cuda": Pace(step_tokens=131_072, pass_tokens=65_536, head_tokens=16_384),
}


def pace(device: DeviceName, step_tokens: int | None) -> Pace:
    """The device's pace; another `step_tokens` is reached by accumulating gradients.

    Raises ValueError where a step is no whole number of passes.
    """
    usual = PACES[device]
    if step_tokens is None:
        return usual
    at_once = min(usual.pass_tokens, step_tokens)
    if step_tokens % at_once or at_once % 1_024:
        raise ValueError(f"a step of {step_tokens} tokens is no multiple of {at_once}; give one")
    return Pace(step_tokens, at_once, min(usual.head_tokens, at_once))
