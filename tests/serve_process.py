"""Servers in processes of their own, forked from one that has imported torch already."""

from __future__ import annotations

import multiprocessing
from multiprocessing.process import BaseProcess
from pathlib import Path

from server.app import serve
from server.config import NightlyConfig, ServerConfig
from server.engine.config import EngineConfig
from server.guard.config import GuardConfig
from store.home import Home

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    ["torch", "transformers.pytorch_utils", "transformers.models.llama.modeling_llama", "aiohttp"]
)


def start_process(home: Home, model: Path) -> BaseProcess:
    """A real server process, which can be killed; the caller waits until it is ready."""
    child = _FORKS.Process(target=_serve, args=(home.root, model))
    child.start()
    return child


def _serve(root: Path, model: Path) -> None:
    serve(
        Home(root),
        ServerConfig(port=0, nightly=NightlyConfig(window=None)),
        EngineConfig(model=str(model), device="cpu", threads=1),
        GuardConfig(index_packages=False),
        refresh_command=("false",),
        refresh_environment={},
    )
