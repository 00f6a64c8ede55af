"""Step `curve`: the loss of a run as a small picture for the model card."""

from typing import Any

import matplotlib

from benchmarks.embedded_model.layout import MODEL, RUNS, read_rows

matplotlib.use("Agg")
import matplotlib.pyplot as plt

SMOOTH = 0.9


def draw_curve(run: str) -> None:
    """Write server/default_model/loss.png from the run's log."""
    rows = {row["step"]: row for row in read_rows(RUNS / run / "log.jsonl")}
    points = [rows[step] for step in sorted(rows)]
    tokens = [row["tokens"] / 1e6 for row in points]
    losses = [row["loss"] for row in points]
    smooth, mean = list[float](), losses[0]
    for loss in losses:
        mean = SMOOTH * mean + (1 - SMOOTH) * loss
        smooth.append(mean)
    drawing: Any = plt
    figure, axes = drawing.subplots(figsize=(6, 3), dpi=80)
    axes.plot(tokens, losses, linewidth=0.5, alpha=0.4)
    axes.plot(tokens, smooth, linewidth=1.2)
    axes.set(xlabel="tokens seen (millions)", ylabel="loss (nats per token)")
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(MODEL / "loss.png")
