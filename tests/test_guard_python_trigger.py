"""A syntax tree is made only where words or imports say so: they must miss nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from server.guard.finding import Case
from server.guard.python_calls import CallRule, call_rules
from server.guard.python_rules import python_findings

FAR = "# as far above as the imports of a real file\n" * 10
# One of them is wrong for each rule of the table.
ARGUMENTS = (
    "(x)", "('a %s' % x)", "(x, shell=True)", "(['sh', '-c', x])", "(x, verify=False)", "('tar *')",
    "(x, allow_pickle=True)", "(x, weights_only=False)", "()", "('a' + x, 'f', 'exec')",
)  # fmt: skip


@pytest.mark.parametrize("row", call_rules(), ids=lambda row: row.rule)
def test_a_call_is_found_however_far_above_and_under_whatever_name_it_is_imported(
    row: CallRule,
) -> None:
    missed, seen = list[str](), 0
    for statement, name in (one for path in row.names for one in _spellings(path)):
        wrong = [one for one in ARGUMENTS if _is_found(row, f"{statement}\n", name + one)]
        seen += bool(wrong)
        if wrong and not _is_found(row, f"{statement}\n{FAR}", name + wrong[0]):
            missed.append(f"{statement}; {name}{wrong[0]}")

    assert missed == []
    assert seen >= len(row.names)


def _spellings(path: str) -> Iterator[tuple[str, str]]:
    """Import statements, each with what the call is named then."""
    module, dot, name = path.rpartition(".")
    if not dot:
        yield "", name
        return
    yield f"import {module}", path
    yield f"import {module} as m", f"m.{name}"
    yield f"from {module} import {name}", name
    yield f"from {module} import (\n    other,\n    {name} as f,\n)", "f"
    above, dot, last = module.rpartition(".")
    if dot:
        yield f"from {above} import {last}", f"{last}.{name}"
        yield f"from {above} import {last} as m", f"m.{name}"


def _is_found(row: CallRule, prefix: str, call: str) -> bool:
    case = Case(prefix, f"y = {call}", "\n", "python")
    return row.rule in [one.rule for one in python_findings(case, time.thread_time() + 5)]
