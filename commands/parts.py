"""The settings of the engine and of the guard, with their caches in the home."""

from __future__ import annotations

from typing import Any

from commands.settings import Settings
from server.engine.config import EngineConfig
from server.guard.config import GuardConfig


def engine_config(settings: Settings, **given: Any) -> EngineConfig:
    """The engine's options; digests of large models are remembered in the home."""
    defaults = {"digest_cache": settings.home.root / "digests.json"}
    return settings.part(EngineConfig, "engine", **{**defaults, **given})


def guard_config(settings: Settings, **given: Any) -> GuardConfig:
    """The guard's options; its index, rule files and list of the allowed are in the home."""
    home = settings.home
    defaults = {"cache": home.root / "index", "rules": home.rules, "allow": home.allow}
    return settings.part(GuardConfig, "guard", **{**defaults, **given})
