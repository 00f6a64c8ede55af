"""Records as the tests of the store write them; what a test is about, it states itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from store.records import Adapter, FindingRow, NewItem, RunItem, Suggestion
from store.stamp import new_id, now

SECRET = "AKIAQ3EGRT7YHWPLKX2B"


def suggestion(**changes: Any) -> Suggestion:
    made = Suggestion(
        id=new_id(),
        created_at=now(),
        model="tiny",
        generation="base",
        language="python",
        path="billing/report.py",
        text="return total / len(values)",
        action=None,
        tokens=7,
        took_ms=31.5,
    )
    return replace(made, **changes)


def finding(**changes: Any) -> FindingRow:
    made = FindingRow(
        id=new_id(),
        created_at=now(),
        suggestion=None,
        kind="secret",
        rule="aws-key",
        cwe="CWE-798",
        start=7,
        end=27,
        message="This looks like an AWS key: read it from the environment.",
        action="patched",
        generation="base",
        language="python",
        path=None,
    )
    return replace(made, **changes)


def new_item(**changes: Any) -> NewItem:
    made = NewItem(
        prefix="import boto3\n",
        suffix="\nclient = connect(key)\n",
        target=f'key = "{SECRET}"',
        start=7,
        end=27,
        kind="secret",
        rule="aws-key",
        language="python",
        origin="guard",
        replacement='os.environ["AWS_KEY"]',
        message="A key.",
    )
    return replace(made, **changes)


def adapter(name: str, **changes: Any) -> Adapter:
    made = Adapter(
        name=name,
        created_at=now(),
        parent="base",
        digest="d" * 64,
        base_digest="b" * 64,
        method="prod",
        mode="incremental",
        state="passed",
        run=None,
        metrics={"forget": {"worst": 0.25}, "passed": True},
    )
    return replace(made, **changes)


def run_item(run: str, item: str, **changes: Any) -> RunItem:
    made = RunItem(
        run=run,
        item=item,
        probability_before=0.9,
        probability_after=0.01,
        steps=12,
        seconds=1.5,
        leaks=0,
        forgotten=True,
    )
    return replace(made, **changes)
