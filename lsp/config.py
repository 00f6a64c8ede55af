"""What a person may set about the editor's side, and how an editor's settings become it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

from lsp.errors import ConfigInvalid

Fallback = Literal["auto", "always", "never"]


@dataclass(frozen=True)
class LspConfig:
    """The settings of one editor."""

    enable: bool = True
    """False: no suggestion is asked for; the commands still work."""
    languages: tuple[str, ...] = ("*",)
    """Language identifiers to complete in; `*` is any."""
    debounce_ms: int | None = None
    """Wait after the last key before asking. None: by editor, adapting to the typing."""
    max_tokens: int = 64
    """The longest suggestion."""
    completion_fallback: Fallback = "auto"
    """Offer suggestions in the completion list: `auto` where the editor has no ghost text."""
    exclude: tuple[str, ...] = ()
    """More paths that must never leave the editor, as in a .gitignore."""
    python_path: str | None = None
    """The interpreter that an extension starts us with; we only know the name of the setting."""
    retained_after_s: float = 30.0
    """An accepted suggestion still standing after this long counts as retained."""
    start_server: bool = True
    """Start a server when none answers."""
    event_log: str | None = None
    """A file that gets one JSON line per event, never with text of a document."""

    def __post_init__(self) -> None:
        if self.debounce_ms is not None and not 0 <= self.debounce_ms <= 10_000:
            raise ConfigInvalid("unsay.debounceMs must lie between 0 and 10000, or be null")
        if not 1 <= self.max_tokens <= 1024:
            raise ConfigInvalid("unsay.maxTokens must lie between 1 and 1024")
        if self.completion_fallback not in ("auto", "always", "never"):
            raise ConfigInvalid("unsay.completionFallback must be auto, always or never")
        if self.retained_after_s <= 0:
            raise ConfigInvalid("unsay.retainedAfterSeconds must be above 0")

    def covers(self, language: str) -> bool:
        return self.enable and ("*" in self.languages or language in self.languages)


SETTINGS: Mapping[str, str] = {
    "enable": "enable",
    "languages": "languages",
    "debounceMs": "debounce_ms",
    "maxTokens": "max_tokens",
    "completionFallback": "completion_fallback",
    "exclude": "exclude",
    "pythonPath": "python_path",
    "retainedAfterSeconds": "retained_after_s",
    "startServer": "start_server",
    "eventLog": "event_log",
}
"""The editors' names of the settings."""

_FOREIGN = frozenset({"trace", "home"})
"""Keys of our section that are read elsewhere: by client libraries, and by what starts us."""


def with_settings(config: LspConfig, settings: object) -> LspConfig:
    """`config` with an editor's `settings` laid over it; null or no section changes nothing."""
    if settings is None:
        return config
    if not isinstance(settings, Mapping):
        raise ConfigInvalid("the section `unsay` of the settings must be an object")
    changes: dict[str, object] = {}
    for key, value in cast(Mapping[object, object], settings).items():
        if key in _FOREIGN:
            continue
        if not isinstance(key, str) or key not in SETTINGS:
            raise ConfigInvalid(f"unsay.{key} is no setting: choose from {', '.join(SETTINGS)}")
        changes[SETTINGS[key]] = _checked(key, SETTINGS[key], value)
    return dataclasses.replace(config, **cast(dict[str, bool], changes))


def _checked(key: str, name: str, value: object) -> object:
    """`value` in the type of the field `name`."""
    if name in ("debounce_ms", "python_path", "event_log") and (value is None or value == ""):
        return None
    if name in ("languages", "exclude"):
        if isinstance(value, list):
            entries = cast(list[object], value)
            texts = [entry for entry in entries if isinstance(entry, str)]
            if len(texts) == len(entries):
                return tuple(texts)
        raise ConfigInvalid(f"unsay.{key} must be a list of texts")
    if name in ("enable", "start_server"):
        return _typed(key, value, bool, "true or false")
    if name in ("debounce_ms", "max_tokens"):
        return _number(key, value, int, "a whole number")
    if name == "retained_after_s":
        return float(cast(float, _number(key, value, (int, float), "a number")))
    return _typed(key, value, str, "a text")


def _typed(key: str, value: object, kind: type, what: str) -> object:
    if not isinstance(value, kind):
        raise ConfigInvalid(f"unsay.{key} must be {what}")
    return value


def _number(key: str, value: object, kind: type | tuple[type, ...], what: str) -> object:
    if isinstance(value, bool) or not isinstance(value, kind):
        raise ConfigInvalid(f"unsay.{key} must be {what}")
    return value
