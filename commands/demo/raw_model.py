"""The model as it is: no guard, no bans. Shows what would be said without Unsay."""

from __future__ import annotations

from pathlib import Path

from commands.demo.scenes import Scene
from commands.parts import engine_config
from commands.settings import Settings
from server.engine.local import open_engine
from server.engine.protocol import Ask


class RawModel:
    """An engine of the demo's own, with the same weights and decoding as the server's."""

    def __init__(self, settings: Settings) -> None:
        self._engine = open_engine(engine_config(settings))

    def use(self, generation: str, folder: Path | None) -> None:
        self._engine.swap(generation, folder)

    def text(self, scene: Scene, max_tokens: int = 48) -> str:
        """Greedy, as served."""
        ask = Ask(scene.prefix, scene.suffix, max_tokens=max_tokens, bans=False)
        return self._engine.complete(ask)[0].text
