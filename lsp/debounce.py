"""How long to wait after a key before asking: by editor, and by how fast the person types."""

from __future__ import annotations

import re

_START_MS = 75.0
_SHORTEST_MS, _LONGEST_MS = 60.0, 200.0
_PAUSE_MS = 500.0
"""A longer gap is thinking, not typing."""
_SLACK = 1.6
"""Of the usual gap between keys: 60 ms keys with their jitter wait 96 ms."""
_WEIGHT = 0.3

_WAITS_ITSELF = re.compile(
    r"neovim|(?<!coc\.)nvim|emacs|eglot|helix|lsp4ij|intellij|pycharm|webstorm|goland|clion|rider|"
    r"rubymine|phpstorm|rustrover|datagrip|dataspell|android studio",
    re.IGNORECASE,
)
"""They ask when the typing pauses: Neovim after 200 ms, lsp4ij 300 ms, lsp-mode 2 s."""


class Debounce:
    """The waiting time of one editor."""

    def __init__(self, client: str) -> None:
        self.fixed_ms: int | None = None
        """What the person set, if anything."""
        self._waits_itself = _WAITS_ITSELF.search(client) is not None
        self._gap_ms = _START_MS / _SLACK
        self._last_key_s: float | None = None

    def key(self, at_s: float) -> None:
        """A key was typed at `at_s`."""
        if self._last_key_s is not None:
            gap = (at_s - self._last_key_s) * 1000
            if 1.0 < gap < _PAUSE_MS:
                self._gap_ms += _WEIGHT * (gap - self._gap_ms)
        self._last_key_s = at_s

    @property
    def wait_ms(self) -> float:
        """From the last key to the request."""
        if self.fixed_ms is not None:
            return float(self.fixed_ms)
        if self._waits_itself:
            return 0.0
        return min(max(self._gap_ms * _SLACK, _SHORTEST_MS), _LONGEST_MS)

    def left_s(self, now_s: float, changed_at_s: float) -> float:
        """How long to wait still, seconds, when the text changed last at `changed_at_s`."""
        return max(0.0, self.wait_ms / 1000 - (now_s - changed_at_s))
