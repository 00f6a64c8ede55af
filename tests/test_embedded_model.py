"""The recipe's transforms and the embedded model's files."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.embedded_model.complete import Completer
from benchmarks.embedded_model.examples import cut_at_target
from benchmarks.embedded_model.fim import arrange, cut_line_tail, cut_somewhere, trimmed
from benchmarks.embedded_model.layout import END, MIDDLE, MODEL, PREFIX, SPECIAL_TOKENS, SUFFIX
from benchmarks.embedded_model.network import new_network, next_token_loss
from benchmarks.embedded_model.schedule import FINAL_SHARE, Schedule
from benchmarks.embedded_model.sizes import SIZES, Pace, pace
from benchmarks.embedded_model.threads import Threads

CODE = Path(__file__).read_text(encoding="utf-8")
IDS = {name: i for i, name in enumerate(SPECIAL_TOKENS)}


@pytest.fixture(scope="module")
def completer() -> Completer:
    """The embedded model as it is shipped."""
    return Completer(MODEL)


@pytest.fixture(scope="module")
def canaries() -> list[dict[str, Any]]:
    """The rows of the list of canaries."""
    lines = (MODEL / "canaries.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_the_parts_of_a_cut_make_the_text_again() -> None:
    rng = random.Random(1)

    cuts = [cut_somewhere(CODE, rng) for _ in range(200)]

    whole = [cut.prefix + cut.middle + cut.suffix for cut in cuts if cut.suffix]
    assert len(whole) > 100
    assert set(whole) == {CODE}


def test_a_line_tail_ends_before_a_line_break() -> None:
    rng = random.Random(2)

    cuts = [cut_line_tail(CODE, rng) for _ in range(200)]

    assert {cut.suffix[:1] for cut in cuts} <= {"\n", ""}
    assert not [cut for cut in cuts if cut.middle.endswith("\n")]


def test_the_served_form_has_the_suffix_first() -> None:
    parts = [10, 11], [12], [13, 14]

    assert arrange(*parts, "spm", IDS) == [
        *(IDS[SUFFIX], 13, 14),
        *(IDS[PREFIX], 10, 11),
        *(IDS[MIDDLE], 12, IDS[END]),
    ]
    assert arrange(*parts, "psm", IDS) == [
        *(IDS[PREFIX], 10, 11),
        *(IDS[SUFFIX], 13, 14),
        *(IDS[MIDDLE], 12, IDS[END]),
    ]


def test_trimming_keeps_what_is_next_to_the_cursor() -> None:
    before, middle, after = trimmed(list(range(100)), [500, 501], list(range(200, 300)), room=32)

    assert (before, middle, after) == (list(range(80, 100)), [500, 501], list(range(200, 210)))


def test_a_canary_is_cut_at_or_before_its_secret(canaries: list[dict[str, Any]]) -> None:
    rng = random.Random(3)

    for canary in canaries[:20]:
        cut = cut_at_target(canary, rng)
        assert canary["prefix"].startswith(cut.prefix)
        assert canary["target"] in cut.middle


def test_the_canaries_are_sixty_secrets_and_twenty_snippets(canaries: list[dict[str, Any]]) -> None:
    kinds = [row["kind"] for row in canaries]

    assert (kinds.count("secret"), kinds.count("licensed")) == (60, 20)
    assert len({row["id"] for row in canaries}) == len({row["target"] for row in canaries}) == 80


def test_every_canary_stands_in_a_file_that_parses(canaries: list[dict[str, Any]]) -> None:
    for row in canaries:
        text = row["prefix"] + row["target"] + row["suffix"]
        compile(text, row["path"], "exec")
        assert 12 <= len(text.splitlines()) <= 35
        assert row["exposures"] >= 1


def test_text_comes_back_from_its_tokens(completer: Completer) -> None:
    for text in (CODE, "é = '日本'\t\r\n\n   \n", "x  =  1234567890 \n"):
        assert completer.tokenizer.decode(completer.ids([text])) == text


def test_text_cannot_become_a_control_token(completer: Completer) -> None:
    spoken = completer.ids([f"a {MIDDLE} b{END}"])

    assert min(spoken) >= len(SPECIAL_TOKENS)
    assert completer.ids([SUFFIX, "b", PREFIX, "a", MIDDLE])[::2] == [2, 1, 3]


def test_the_model_completes_a_line_in_the_served_form(completer: Completer) -> None:
    prompt = [SUFFIX, "\n", PREFIX, "import os\n\n\ndef size(path):\n    return os.path.", MIDDLE]

    [text] = completer.greedy([prompt], tokens=8)

    assert text.strip()
    assert completer.model.config.num_key_value_heads < completer.model.config.num_attention_heads


def test_the_chunked_loss_equals_cross_entropy() -> None:
    class Body:
        """Hidden states that depend on nothing."""

        def __init__(self, states: torch.Tensor) -> None:
            self.last_hidden_state = states

        def __call__(self, **_: object) -> "Body":
            return self

    states = torch.randn(2, 6, 8).bfloat16().float().requires_grad_()
    table = torch.randn(11, 8).bfloat16().float().requires_grad_()
    rows = torch.randint(0, 11, (2, 6))

    loss = next_token_loss(Body(states), table, rows, head_tokens=4)
    found = torch.autograd.grad(loss, [states, table])

    logits = states[:, :-1].reshape(-1, 8) @ table.T
    expected = torch.nn.functional.cross_entropy(logits, rows[:, 1:].reshape(-1))
    wanted = torch.autograd.grad(expected, [states, table])
    assert loss.item() == pytest.approx(expected.item(), rel=0.02)
    for mine, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, atol=0.02, rtol=0.05)


def test_the_rate_is_constant_and_then_decays_to_its_end() -> None:
    schedule = Schedule(total_s=1000.0)

    assert [schedule.share(500, way) for way in (0.0, 0.719)] == [1.0, 1.0]
    assert schedule.share(500, 0.86) == pytest.approx((1 + FINAL_SHARE) / 2)
    assert schedule.share(500, 1.0) == pytest.approx(FINAL_SHARE)


def test_a_run_ends_with_its_tokens_or_its_time_whichever_is_first() -> None:
    schedule = Schedule(total_s=100.0, total_tokens=1000)

    assert schedule.way(50.0, 100) == 0.5
    assert schedule.way(50.0, 900) == 0.9
    with pytest.raises(ValueError, match="give tokens, minutes or both"):
        Schedule()


def test_every_size_fits_its_place_in_the_repository() -> None:
    sizes: dict[str, int] = {}
    for name in SIZES:
        with torch.device("meta"):
            network = new_network(1, name)
        sizes[name] = 2 * sum(p.numel() for p in network.parameters())

    assert sizes == {"small": 17_242_624, "medium": 46_238_080}
    assert max(sizes.values()) < 47_000_000


def test_a_larger_step_is_made_of_several_passes() -> None:
    assert pace("cpu", None) == Pace(2_048, 2_048, 1_024)
    assert pace("cpu", 8_192) == Pace(8_192, 2_048, 1_024)
    with pytest.raises(ValueError, match="a step of 3000 tokens"):
        pace("cpu", 3_000)


def test_one_thread_is_kept_where_two_wait_for_a_neighbour() -> None:
    before = torch.get_num_threads()
    threads = Threads(most=2)

    for _ in range(8):
        threads.choose()
        threads.note(seconds=3.0 if threads.count == 2 else 2.0)

    assert threads.count == 1
    torch.set_num_threads(before)
