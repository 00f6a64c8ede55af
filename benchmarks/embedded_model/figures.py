"""A measured figure of the embedded model, and tables of them for people."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One measured figure."""

    set: str
    """What it was measured on."""
    tool: str
    """`embedded model`, or what stands beside it."""
    form: str | None
    """The order of the prompt's parts; None where the tool or the measure knows none."""
    measure: str
    value: float


def mean(values: Iterable[float]) -> float:
    """The mean of at least one value, booleans among them."""
    found = [float(value) for value in values]
    return sum(found) / len(found)


def table(rows: list[Row]) -> str:
    """A Markdown table of the rows of one set: a line for each tool and form, columns measures."""
    measures = list(dict.fromkeys(row.measure for row in rows))
    lines = [["", *measures], ["---"] * (1 + len(measures))]
    for tool, form in dict.fromkeys((row.tool, row.form) for row in rows):
        mine = {row.measure: row for row in rows if (row.tool, row.form) == (tool, form)}
        cells = [shown(mine[m]) if m in mine else "" for m in measures]
        lines.append([tool if form is None else f"{tool}, {form.replace('_', ' ')}", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def shown(row: Row) -> str:
    """The value as people write it: shares in percent, counts whole, the rest in two digits."""
    if row.measure.endswith(("match", "parses", "share")):
        return f"{100 * row.value:.1f} %"
    if row.measure in ("planted", "extracted") or row.value >= 100:
        return f"{row.value:.0f}"
    return f"{row.value:.2f}"


def unbeaten(rows: list[Row], ours: str, lower_is_better: tuple[str, ...]) -> list[str]:
    """A sentence for each tool and measure that some form of `ours` is not better in."""
    found: dict[Row, list[str]] = {}
    for mine in (row for row in rows if row.tool == ours):
        sign = -1 if mine.measure in lower_is_better else 1
        for other in rows:
            same = (other.set, other.measure) == (mine.set, mine.measure)
            if same and other.tool != ours and sign * other.value >= sign * mine.value:
                form = (mine.form or "ours").replace("_", " ")
                found.setdefault(other, []).append(f"{form} {shown(mine)}")
    return [
        f"{other.set}, {other.measure}: {other.tool} {shown(other)}; {', '.join(mine)}"
        for other, mine in found.items()
    ]
