"""`unsay refresh`: the batch job, by hand, by a timer or as the server's child."""

from __future__ import annotations

import argparse
import json

from commands.progress import PhaseBars
from commands.settings import Settings

SUMMARY = "Unlearn the ledger into a new generation, gate it, and promote it if it passes."
EXAMPLE = (
    "unsay refresh\nunsay refresh --mode rebuild --method span_prod\n"
    "torchrun --standalone --nproc-per-node 2 -m unsay refresh    # in two processes"
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mode", choices=["incremental", "rebuild"])
    parser.add_argument("--method", help="an unlearning method (default span_prod)")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--json", action="store_true", help="the run as JSON when it has ended")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    """0: promoted, or nothing to do. 1: rejected or failed; the old generation serves on."""
    from commands.parts import engine_config, guard_config
    from unlearn.config import RefreshConfig
    from unlearn.crew import summoned
    from unlearn.refresh import assist, refresh

    config = settings.part(
        RefreshConfig, "refresh", mode=asked.mode, method=asked.method, seed=asked.seed
    )
    engine = engine_config(settings)
    crew = summoned(engine.device, settings.environment)
    if not crew.is_first:
        assist(engine, config, crew)
        return 0
    with PhaseBars() as bars:
        ended = refresh(settings.home, engine, guard_config(settings), config, bars.show, crew)
    if asked.json:
        print(json.dumps(vars(ended)))
    else:
        print(f"{ended.state.replace('_', ' ')}: {ended.message}")
    return 0 if ended.state in ("promoted", "nothing_to_do") else 1
