"""Fill-in-the-middle: which form a model was trained for, read from its vocabulary."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from server.engine.errors import ModelDamaged
from server.engine.text_codec import TextCodec

Order = Literal["psm", "spm"]


@dataclass(frozen=True)
class FimFormat:
    """How a model wants a prefix and a suffix to be put to it."""

    family: str
    prefix: int
    """Id of the marker before the prefix; `suffix` and `middle` likewise."""
    suffix: int
    middle: int | None
    """None: the middle follows the prefix without a marker."""
    order: Order
    """`psm`: prefix first. `spm`: suffix first, so that typing keeps the prompt's start."""
    stops: frozenset[int]
    """Any of these ends the middle."""
    empty_suffix: str = "\n"
    """Stands for an empty suffix: models that never saw an empty one go astray."""


@dataclass(frozen=True)
class Family:
    """One row of the table: marker texts and order, with the other markers that end a middle."""

    name: str
    prefix: str
    suffix: str
    middle: str | None
    order: Order
    ends: tuple[str, ...] = ()


BAR = "\uff5c"  # full-width, unlike the pipes of the others
PIPE_ENDS = (
    "<|endoftext|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|file_separator|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|end_of_text|>",
)
STAR_ENDS = ("<fim_pad>", "<file_sep>", "<repo_name>", "<reponame>", "<filename>", "<|endoftext|>")
FAMILIES = (
    Family("qwen", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "psm", PIPE_ENDS),
    Family("starcoder", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", "psm", STAR_ENDS),
    Family(
        "santacoder",
        "<fim-prefix>",
        "<fim-suffix>",
        "<fim-middle>",
        "psm",
        ("<fim-pad>", "<|endoftext|>"),
    ),
    Family("codellama", "▁<PRE>", "▁<SUF>", "▁<MID>", "psm", ("▁<EOT>",)),
    Family(
        "deepseek", f"<{BAR}fim▁begin{BAR}>", f"<{BAR}fim▁hole{BAR}>", f"<{BAR}fim▁end{BAR}>", "psm"
    ),
    Family(
        "seed-coder",
        "<[fim-prefix]>",
        "<[fim-suffix]>",
        "<[fim-middle]>",
        "spm",
        ("<[end▁of▁sentence]>", "<[fim-sep]>", "<[fim-pad]>"),
    ),
    Family("glm", "<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>", "psm", PIPE_ENDS),
    Family("codestral", "[PREFIX]", "[SUFFIX]", None, "spm", ("[MIDDLE]",)),
)
# StarCoder's markers in the other order; nothing in the vocabulary tells them apart.
SUFFIX_FIRST_NAMES = ("mellum", "refact")


def find_fim(
    codec: TextCodec, model_dir: Path, name: str, ends: frozenset[int]
) -> FimFormat | None:
    """The form whose markers all are single entries of the vocabulary; None if there is none.

    `ends` are the ids that end any text of the model. An `unsay.json` in the folder names the
    order, as our own models may be trained in either.
    """
    for family in FAMILIES:
        markers = [codec.single(m) for m in (family.prefix, family.suffix)]
        middle = None if family.middle is None else codec.single(family.middle)
        prefix, suffix = markers
        if prefix is None or suffix is None or (family.middle is not None and middle is None):
            continue
        others = [codec.single(text) for text in family.ends]
        stops = {prefix, suffix, *(i for i in (middle, *others) if i is not None)}
        own = read_unsay(model_dir)
        return FimFormat(
            family=family.name,
            prefix=prefix,
            suffix=suffix,
            middle=middle,
            order=own["fim_order"] if "fim_order" in own else _order(family, name),
            stops=ends | stops | codec.control,
            empty_suffix="" if own else "\n",
        )
    return None


def read_unsay(model_dir: Path) -> dict[str, Any]:
    """The model's own `unsay.json`, checked; empty where there is none."""
    path = model_dir / "unsay.json"
    if not path.is_file():
        return {}
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelDamaged(f"{path} is not JSON ({error}); fetch the model again") from error
    if not isinstance(content, dict):
        raise ModelDamaged(f"{path} holds no JSON object; fetch the model again")
    own = cast("dict[str, Any]", content)
    if own.get("fim_order", "spm") not in ("spm", "psm"):
        raise ModelDamaged(f"{path}: fim_order must be 'spm' or 'psm', not {own['fim_order']!r}")
    if not isinstance(own.get("context_tokens", 1), int):
        raise ModelDamaged(f"{path}: context_tokens must be a whole number")
    return own


def _order(family: Family, name: str) -> Order:
    if any(word in name.lower() for word in SUFFIX_FIRST_NAMES):
        return "spm"
    return family.order
