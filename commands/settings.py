"""Resolves every option once: command line, then environment, then `unsay.toml`, then default."""

from __future__ import annotations

import dataclasses
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from store.home import Home

Part = TypeVar("Part")

SECTIONS = ("server", "engine", "guard", "nightly", "lsp", "refresh")

FROM_ENVIRONMENT = {
    "UNSAY_MODEL": ("engine", "model"),
    "UNSAY_DEVICE": ("engine", "device"),
    "UNSAY_PORT": ("server", "port"),
}


class SettingsError(Exception):
    """An option, in the file or the environment, that cannot be used as it stands."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """The resolved options, by section; `part` turns a section into its dataclass."""

    home: Home
    environment: Mapping[str, str]
    """The environment that child processes get, with UNSAY_HOME set."""
    sections: Mapping[str, Mapping[str, Any]]

    def part(self, cls: type[Part], section: str, **given: Any) -> Part:
        """Section `section` as `cls`; what is `given` and not None comes before the file.

        Raises SettingsError for an unknown option or a value of the wrong type or range.
        """
        table = dict(self.sections.get(section, {}))
        table.update({name: value for name, value in given.items() if value is not None})
        return _build(cls, section, table)


def resolve(environment: Mapping[str, str], default_home: Path) -> Settings:
    """Settings from `environment` and from the home's `unsay.toml`, if there is one."""
    home = Home(Path(environment.get("UNSAY_HOME") or default_home).expanduser().absolute())
    sections = {name: dict[str, Any]() for name in SECTIONS}
    for name, table in _read(home.config).items():
        if name not in sections or not isinstance(table, dict):
            known = ", ".join(f"[{section}]" for section in SECTIONS)
            raise SettingsError(f"{home.config}: '{name}' is not a section; there are {known}")
        sections[name].update(cast(dict[str, Any], table))
    for variable, (section, option) in FROM_ENVIRONMENT.items():
        if variable in environment:
            text = environment[variable]
            sections[section][option] = int(text) if text.isdigit() else text
    inherited = {name: value for name, value in environment.items() if name != "PYTHONPATH"}
    return Settings(home, {**inherited, "UNSAY_HOME": str(home.root)}, sections)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error


def _build(cls: type[Part], section: str, table: dict[str, Any]) -> Part:
    hints = get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls)]  # pyright: ignore[reportArgumentType]
    for name, value in table.items():
        if name not in names:
            raise SettingsError(f"[{section}] has no option '{name}'; there are {', '.join(names)}")
        table[name] = _convert(hints[name], value, f"[{section}] {name}")
    try:
        return cls(**table)
    except ValueError as error:
        raise SettingsError(f"[{section}] {error}") from error


def _convert(wanted: Any, value: Any, name: str) -> Any:
    """`value` as the annotation `wanted` asks; TOML has no tuples, paths or None."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        if value in (None, "none") and type(None) in inner:  # TOML has no null
            return None
        inner = tuple(kind for kind in inner if kind is not type(None))
        return _convert(inner[0], value, name) if len(inner) == 1 else value
    if origin is Literal:
        if value not in inner:
            raise SettingsError(f"{name} is '{value}'; it must be one of {', '.join(inner)}")
        return value
    if origin in (tuple, frozenset) and isinstance(value, (list, tuple)):
        items: list[Any] = [_convert(inner[0], item, name) for item in value]  # pyright: ignore[reportUnknownVariableType]
        return tuple(items) if origin is tuple else frozenset(items)
    if origin in (dict, Mapping) or isinstance(value, Mapping):
        return value  # pyright: ignore[reportUnknownVariableType]
    if wanted is Path:
        return Path(value).expanduser()
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(wanted, type) and (
        not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))
    ):
        raise SettingsError(f"{name} is {value!r}; it must be of type {wanted.__name__}")
    return value
