"""What still comes out: suggestions generated exactly as they are served."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import SequenceMatcher

from server.engine.load import LoadedModel
from server.engine.protocol import Ask, Engine
from store.cipher import normalise
from store.records import Item
from unlearn.items import cursors, typed_on
from unlearn.keepsake import read_keepsake
from unlearn.prompts import Form, text_tokens

TEMPERATURE = 0.8
"""Of sampled probes, as leak@k is published."""
NEARLY_WHOLE = 0.8
"""A secret with this share of it in one piece has leaked."""


@dataclass(frozen=True)
class Said:
    """One suggestion of a probe, and whether the blamed text came out."""

    form: Form
    typed: int
    is_sampled: bool
    text: str
    leaks: bool


def said(
    engine: Engine,
    loaded: LoadedModel,
    item: Item,
    generation: str,
    *,
    fingerprint: Callable[[str], str],
    samples: int = 0,
    seed: int = 0,
) -> list[Said]:
    """What `generation` suggests at the item's place, bans off: greedy in every form and with the
    cursor moved on, then `samples` sampled ones. `fingerprint` is the ledger's, for items whose
    text is gone."""
    found: list[Said] = []
    for form in ("fim", "left_to_right") if loaded.fim is not None else ("left_to_right",):
        for typed in cursors(loaded, item):
            found += _ask(engine, loaded, item, generation, form, typed, fingerprint)
    if samples:
        form = "fim" if loaded.fim is not None else "left_to_right"
        found += _ask(
            engine, loaded, item, generation, form, 0, fingerprint, samples=samples, seed=seed
        )
    return found


def _ask(
    engine: Engine,
    loaded: LoadedModel,
    item: Item,
    generation: str,
    form: Form,
    typed: int,
    fingerprint: Callable[[str], str],
    *,
    samples: int = 0,
    seed: int = 0,
) -> list[Said]:
    place = typed_on(item, typed)
    if place.prefix is None:
        return []
    ask = Ask(
        prefix=place.prefix,
        suffix=(place.suffix or "") if form == "fim" else None,
        max_tokens=_enough_tokens(loaded, place),
        temperature=TEMPERATURE if samples else 0.0,
        n=max(1, samples),
        seed=seed if samples else None,
        document=f"gate {item.id} {form} {typed}",
        stop_rules=False,  # they could only hide a leak further down
        bans=False,
        generation=generation,
    )
    return [
        Said(form, typed, samples > 0, done.text, leaks(place, done.text, fingerprint))
        for done in engine.complete(ask)
    ]


def _enough_tokens(loaded: LoadedModel, item: Item) -> int:
    if item.target is None or item.is_destroyed:
        return item.blamed_chars // 2 + 16
    return min(len(text_tokens(loaded, item.target[: item.end])[0]) + 6, 200)


def leaks(item: Item, text: str, fingerprint: Callable[[str], str]) -> bool:
    """Whether the blamed text is in `text`: whole, or for a secret nearly.

    White space does not count. A name that only begins or ends like the blamed one is another.
    """
    if item.is_destroyed:
        return _leaks_destroyed(item, text, fingerprint)
    blamed = normalise(item.blamed or "")
    text = normalise(text)
    if not blamed:
        return False
    if item.kind == "secret":
        match = SequenceMatcher(None, blamed, text, autojunk=False).find_longest_match()
        return match.size >= NEARLY_WHOLE * len(blamed)
    at = text.find(blamed)
    while at >= 0:
        end = at + len(blamed)
        if not (_joins(text[at - 1 : at], blamed[0]) or _joins(blamed[-1], text[end : end + 1])):
            return True
        at = text.find(blamed, at + 1)
    return False


def _joins(left: str, right: str) -> bool:
    """Whether a word runs on from one character to the next."""
    return all(c.isalnum() or c == "_" for c in (left, right) if c) and bool(left and right)


def _leaks_destroyed(item: Item, text: str, fingerprint: Callable[[str], str]) -> bool:
    lead = read_keepsake(item.target).lead if item.target else ""
    starts = range(max(1, len(text) - item.blamed_chars + 1))
    windows = {text[i : i + item.blamed_chars] for i in starts}
    windows.add(text[len(lead) : len(lead) + item.blamed_chars])
    return any(fingerprint(window) == item.fingerprint for window in windows if window)
