"""The secret detectors that are measured: each takes texts and answers the lines it flags."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.filters import gibberish
from detect_secrets.settings import default_settings

from benchmarks.guard import peers
from server.guard.finding import Case
from server.guard.secrets import SecretDetector

BUDGET_MS = 10_000.0
_SUFFIXES = {
    "python": ".py",
    "go": ".go",
    "javascript": ".js",
    "typescript": ".ts",
    "java": ".java",
}


@dataclass(frozen=True)
class Text:
    """A piece of a source file."""

    text: str
    language: str


Flagged = list[frozenset[int]]
"""For each text the numbers of the lines that a tool flags, from 0."""
Tool = Callable[[Sequence[Text]], Flagged]


def tools() -> Iterator[tuple[str, Tool]]:
    """Every tool that is there, by its name with its version."""
    yield "unsay", unsay
    yield f"detect-secrets {version('detect-secrets')}", detect_secrets
    yield f"detect-secrets {version('detect-secrets')} with gibberish filter", detect_secrets_words
    credsweeper = next(name for name in peers.PACKAGES if name.startswith("credsweeper"))
    name = credsweeper.replace("==", " ").replace("credsweeper", "CredSweeper")
    yield f"{name}, rules only", lambda texts: _credsweeper(texts, has_model=False)
    yield f"{name} with its model (trained on CredData)", _credsweeper_model
    if shutil.which("gitleaks") is not None:
        yield f"gitleaks {_gitleaks_version()}", gitleaks


def unsay(texts: Sequence[Text]) -> Flagged:
    """Our detector, with the text as the suggestion in an empty file; addresses do not count."""
    detector = SecretDetector(BUDGET_MS)
    flagged: Flagged = []
    for text in texts:
        lines: set[int] = set()
        for found in detector.find(Case("", text.text, "", text.language)):
            if found.rule != "personal-email":
                first = text.text.count("\n", 0, found.start)
                lines.update(
                    range(first, first + text.text.count("\n", found.start, found.end) + 1)
                )
        flagged.append(frozenset(lines))
    return flagged


def detect_secrets(texts: Sequence[Text]) -> Flagged:
    """Its files' scan with the default plugins and filters."""
    with default_settings():
        return _detect_secrets(texts)


def detect_secrets_words(texts: Sequence[Text]) -> Flagged:
    """The same with its filter of pronounceable values."""
    with default_settings():
        gibberish.initialize()
        return _detect_secrets(texts)


def gitleaks(texts: Sequence[Text]) -> Flagged:
    """The binary on the search path, on a folder of all texts."""
    with _files(texts) as (folder, paths):
        report = folder / "report.json"
        command = ["gitleaks", "dir", str(folder), "--no-banner", "--exit-code", "0"]
        command += ["--report-format", "json", "--report-path", str(report)]
        subprocess.run(command, check=True, capture_output=True)
        lines: dict[str, set[int]] = {}
        for found in json.loads(report.read_text(encoding="utf-8")):
            span = range(found["StartLine"] - 1, found["EndLine"])
            lines.setdefault(Path(found["File"]).name, set()).update(span)
    return [frozenset(lines.get(path.name, ())) for path in paths]


def _detect_secrets(texts: Sequence[Text]) -> Flagged:
    flagged: Flagged = []
    with _files(texts) as (_, paths):
        for path in paths:
            secrets = SecretsCollection()
            secrets.scan_file(str(path))
            flagged.append(frozenset(secret.line_number - 1 for _, secret in secrets))
    return flagged


@contextmanager
def _files(texts: Sequence[Text]) -> Generator[tuple[Path, list[Path]]]:
    """The texts as files whose names say nothing but the language."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        paths: list[Path] = []
        for index, text in enumerate(texts):
            path = folder / f"part{index}{_SUFFIXES[text.language]}"
            path.write_text(text.text, encoding="utf-8")
            paths.append(path)
        yield folder, paths


def _credsweeper_model(texts: Sequence[Text]) -> Flagged:
    return _credsweeper(texts, has_model=True)


def _credsweeper(texts: Sequence[Text], *, has_model: bool) -> Flagged:
    cases = [[text.text, f"part{_SUFFIXES[text.language]}", has_model] for text in texts]
    return [frozenset(lines) for lines in peers.ask(_CREDSWEEPER, cases)]


def _gitleaks_version() -> str:
    done = subprocess.run(["gitleaks", "version"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


_CREDSWEEPER = """
import json, sys
from credsweeper.app import CredSweeper
from credsweeper.common.constants import ThresholdPreset
from credsweeper.file_handler.byte_content_provider import ByteContentProvider

cases = [json.loads(line) for line in sys.stdin]
sweeper = CredSweeper(ml_threshold=ThresholdPreset.medium if cases[0][2] else 0)
for text, name, has_model in cases:
    found = sweeper.file_scan(ByteContentProvider(text.encode(), name))
    if has_model:
        sweeper.credential_manager.set_credentials(found)
        sweeper.post_processing(None)
        found = sweeper.credential_manager.get_credentials()
    print(json.dumps(sorted({line.line_num - 1 for one in found for line in one.line_data_list})))
"""
