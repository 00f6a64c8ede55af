"""`unsay serve`: the server in the foreground."""

from __future__ import annotations

import argparse
import sys

from commands.settings import Settings

SUMMARY = "Run the completion server in the foreground, on this machine only."
EXAMPLE = "unsay serve\nunsay serve --port 0 --model Qwen/Qwen2.5-Coder-1.5B"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, help="port on 127.0.0.1; 0 takes any (default 7411)")
    parser.add_argument("--model", help="name or folder of a code model (default: the embedded)")
    parser.add_argument("--device", help="cpu, cuda or auto (default auto)")


def refresh_command() -> tuple[str, ...]:
    """How the server starts the batch job: isolated, so that no workspace can shadow ours."""
    return (sys.executable, "-I", "-m", "unsay", "refresh")


def run(asked: argparse.Namespace, settings: Settings) -> int:
    from commands.parts import engine_config, guard_config
    from server.app import serve
    from server.config import NightlyConfig, ServerConfig

    nightly = settings.part(NightlyConfig, "nightly")
    serve(
        settings.home,
        settings.part(ServerConfig, "server", port=asked.port, nightly=nightly),
        engine_config(settings, model=asked.model, device=asked.device),
        guard_config(settings),
        refresh_command=refresh_command(),
        refresh_environment={**settings.environment, **_passed_on(asked)},
    )
    return 0


def _passed_on(asked: argparse.Namespace) -> dict[str, str]:
    """What the command line said of the model, for the batch job to work on the same one."""
    given = {"UNSAY_MODEL": asked.model, "UNSAY_DEVICE": asked.device}
    return {name: value for name, value in given.items() if value is not None}
