"""The extension says the same as the language server, and its README the same as both."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from lsp.config import SETTINGS, LspConfig

ROOT = Path(__file__).parents[1]
EXTENSION = ROOT / "vscode-extension"
MANIFEST: dict[str, Any] = json.loads((EXTENSION / "package.json").read_text())
PROPERTIES: dict[str, dict[str, Any]] = MANIFEST["contributes"]["configuration"]["properties"]
README = (EXTENSION / "README.md").read_text()


def test_the_extension_has_the_settings_of_the_language_server_and_its_home() -> None:
    assert set(PROPERTIES) == {f"unsay.{name}" for name in (*SETTINGS, "home")}


def test_the_defaults_are_those_of_the_language_server() -> None:
    ours = {name: PROPERTIES[f"unsay.{name}"]["default"] or None for name in SETTINGS}

    theirs = json.loads(json.dumps(dataclasses.asdict(LspConfig())))
    assert ours == {name: theirs[field] or None for name, field in SETTINGS.items()}


def test_the_readme_lists_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `(unsay\.\w+)` \| `([^`]*)` \|", README, re.MULTILINE)

    assert [(name, json.loads(default)) for name, default in rows] == [
        (name, what["default"]) for name, what in PROPERTIES.items()
    ]


def test_the_readme_lists_every_command() -> None:
    rows = re.findall(r"^\| (Unsay: [^|]*) \|", README, re.MULTILINE)

    commands = MANIFEST["contributes"]["commands"]
    assert rows == [f"{command['category']}: {command['title']}" for command in commands]


def test_settings_that_start_a_program_cannot_come_from_an_untrusted_workspace() -> None:
    scopes = {name for name, what in PROPERTIES.items() if "scope" in what}

    assert scopes == {"unsay.pythonPath", "unsay.home", "unsay.eventLog"}
    restricted = MANIFEST["capabilities"]["untrustedWorkspaces"]["restrictedConfigurations"]
    assert set(restricted) == scopes


def test_the_extension_carries_the_licence_of_the_project() -> None:
    assert (EXTENSION / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_no_lockfile_names_the_host_of_a_registry() -> None:
    for folder in (EXTENSION, ROOT / "tests" / "editors"):
        assert "resolved" not in (folder / "package-lock.json").read_text()
