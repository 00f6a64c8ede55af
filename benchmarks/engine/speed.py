"""Prefill and typing beside transformers and llama.cpp, in turns on the same ids."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.engine.contenders import DRAFTS, CachedLoop, Contender, Generate, Ours
from benchmarks.engine.llama_cpp import LlamaCpp, write_gguf
from benchmarks.engine.models import BUILD, NAMES, Size, folder
from benchmarks.engine.prompts import Place, places
from benchmarks.engine.rows import Row
from server.engine.config import EMBEDDED_MODEL
from server.engine.decoder import decoder_of

Peer = Literal["transformers", "llama.cpp"]
PREFILL_TOKENS = 1_024
TYPING_TOKENS = {"S": 984, "M": 1_024}
"""With what is typed and said, no more than the model was trained for."""
WARM_TOKENS = 64
GENERATE, LOOP, LLAMA = (
    "transformers generate, bf16",
    "transformers cached loop, bf16",
    "llama.cpp, q8_0",
)
PREFILL, FIRST, WHOLE = "prefill 1,024", "typing, first token", "typing + 32"
MARKS: dict[tuple[str, str | None], tuple[float, float]] = {
    (WHOLE, GENERATE): (0.10, 0.12),
    (WHOLE, LOOP): (0.17, 0.18),
    (PREFILL, LLAMA): (0.45, 0.40),
    (WHOLE, LLAMA): (1.25, 0.90),
    (f"{WHOLE}, drafts of its own text", LLAMA): (1.0, 0.70),
    (f"{WHOLE}, drafts of the file's text", LLAMA): (1.0, 0.70),
    (FIRST, None): (4.0, 22.0),
}
Times = dict[str, dict[str, list[float]]]


def speed_rows(size: Size, peer: Peer, threads: int, count: int) -> list[Row]:
    """Medians over `count` places."""
    torch.set_num_threads(threads)
    contenders = _contenders(size, peer, threads)
    tokenizer: Any = AutoTokenizer
    encode = tokenizer.from_pretrained(EMBEDDED_MODEL).encode
    cursors = list(places(encode, TYPING_TOKENS[size], count))
    longer = list(places(encode, PREFILL_TOKENS, count))
    times: Times = defaultdict(lambda: defaultdict(list))
    for contender in contenders:  # warms up
        contender.typing(next(places(encode, WARM_TOKENS, 1)))
    for place, long in zip(cursors, longer, strict=True):
        for contender in contenders:
            prefills = contender.name in (DRAFTS["none"], LLAMA)
            prefill = contender.prefill(long.read) if prefills else None
            first, whole = contender.typing(place)
            times[WHOLE][contender.name].append(whole)
            times[FIRST][contender.name].append(first)
            if prefill is not None:
                times[PREFILL][contender.name].append(prefill)
    _check_same(contenders, cursors)
    return _rows(size, times, threads)


def _contenders(size: Size, peer: Peer, threads: int) -> list[Contender]:
    loader: Any = AutoModelForCausalLM
    exact = loader.from_pretrained(folder(size), dtype=torch.float32).eval()
    decoder = decoder_of(exact)
    assert decoder is not None
    ours: list[Contender] = [Ours(decoder)]
    if peer == "transformers":
        half = loader.from_pretrained(folder(size), dtype=torch.bfloat16).eval()
        return [*ours, Generate(half, "bf16"), CachedLoop(half, "bf16")]
    if size == "S":  # random weights say nothing that stood before
        ours.append(Ours(decoder, "own"))
    ours.append(Ours(decoder, "file"))
    file = BUILD / f"{size}.q8_0.gguf"
    if not file.is_file():
        write_gguf(exact, file)
    return [*ours, LlamaCpp(file, LLAMA, threads)]


def _check_same(contenders: list[Contender], cursors: list[Place]) -> None:
    """That all run one model: rounded weights choose the same token nearly everywhere."""
    read = [place.read[-96:] for place in cursors]
    chosen = {one.name: [one.next_token(ids) for ids in read] for one in contenders}
    ours = chosen[DRAFTS["none"]]
    for name, tokens in chosen.items():
        same = sum(a == b for a, b in zip(ours, tokens, strict=True))
        if same * 2 < len(ours):
            raise SystemExit(f"{name} goes on as unsay does at {same} of {len(ours)} places only")


def _rows(size: Size, times: Times, threads: int) -> list[Row]:
    rows: list[Row] = []
    for measure, took in times.items():
        medians = {name: round(statistics.median(found), 2) for name, found in took.items()}
        for name, ours_ms in medians.items():
            if not name.startswith("unsay") or (measure != WHOLE and name != "unsay"):
                continue
            whole = measure + name.removeprefix("unsay")
            peers = [peer for peer in medians if not peer.startswith("unsay")]
            if measure == FIRST:
                peers = [peer for peer in peers if peer != GENERATE]
                rows.append(_row(size, whole, None, ours_ms, None, threads))
            rows += [_row(size, whole, peer, ours_ms, medians[peer], threads) for peer in peers]
    return rows


def _row(
    size: Size, measure: str, peer: str | None, ours_ms: float, peer_ms: float | None, threads: int
) -> Row:
    marks = MARKS.get((measure, peer))
    return Row(
        model=NAMES[size],
        measure=measure,
        peer=peer,
        ours_ms=ours_ms,
        peer_ms=peer_ms,
        mark=None if marks is None else marks["SM".index(size)],
        threads=threads,
    )
