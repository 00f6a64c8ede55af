"""What a refresh says of its progress where nobody watches a terminal."""

from __future__ import annotations

import time

import pytest

from commands.progress import PhaseBars

EVERY = 0.05


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("commands.progress.EVERY", EVERY)


def test_a_phase_that_lasts_says_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with PhaseBars() as bars:
        bars.show("train", 0, 9, "4 items left")
        bars.show("train", 1, 9, "4 items left")
        until = time.process_time() + EVERY
        while time.process_time() < until:  # busy, not waiting
            pass
        bars.show("train", 2, 9, "3 items left")

    first, second = capsys.readouterr().err.splitlines()
    assert first == "train    4 items left"
    assert second.startswith("train    2 of 9, 3 items left")


def test_a_phase_that_gets_no_processor_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with PhaseBars() as bars:
        bars.show("gate", 0, 0, "asking")
        time.sleep(2 * EVERY)
        bars.show("gate", 1, 0, "asking")

    first, second = capsys.readouterr().err.splitlines()
    assert first == "gate     asking"
    assert second.startswith("gate     1 of ?, asking (other programs come first: ")
