"""The weights as they lie in a folder: in memory, or let go for a while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Stored:
    """A transformers module that can be let go and is read again when it is asked for."""

    def __init__(self, model: Any, read_again: Callable[[], Any]) -> None:
        self._model = model
        self._read_again = read_again

    @property
    def model(self) -> Any:
        if self._model is None:
            self._model = self._read_again()
        return self._model

    def let_go(self) -> None:
        self._model = None
