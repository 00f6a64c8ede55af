"""A slow second look: an installed semgrep with the rule files of an installed Code Shield.

Neither is a dependency, and neither is imported: the native child of the one reads the files of the
other. (Code Shield's own scan finds nothing with today's semgrep, without saying so.)
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from server.guard.finding import Case, Finding, Severity
from server.guard.patterns import pattern_findings
from server.guard.python_rules import python_findings
from server.guard.stitched import Stitched

SECONDS = 5.0
"""How long one file may take."""
MEMORY_MIB = 1000
MOST_CHARS = 200_000
AROUND_CHARS = 20_000
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_CWE = re.compile(r"CWE-\d+")
# Our language, and semgrep's with the ending that it expects; Code Shield's files have its name.
_LANGUAGES = {
    "c": ("c", ".c"),
    "cpp": ("cpp", ".cpp"),
    "csharp": ("csharp", ".cs"),
    "java": ("java", ".java"),
    "javascript": ("javascript", ".js"),
    "javascriptreact": ("javascript", ".jsx"),
    "typescript": ("javascript", ".ts"),
    "typescriptreact": ("javascript", ".tsx"),
    "php": ("php", ".php"),
    "python": ("python", ".py"),
}
_ENDING_LANGUAGE = {".ts": "typescript", ".tsx": "typescript"}
_SEVERITIES: dict[str, Severity] = {"ERROR": "high", "WARNING": "medium"}
_RULES = Path("insecure_code_detector", "rules", "semgrep", "_generated_")


class DeepDetector:
    """Insecure code that semgrep sees, where it and its rules are installed."""

    name = "deep"
    is_deferred = True

    def __init__(self) -> None:
        self._program = _installed("semgrep", Path("bin", "semgrep-core"))
        self._rules = _installed("codeshield", _RULES)
        self._lock = Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._is_closed = False
        self._trouble: str | None = None

    def status(self) -> str:
        """`ok`, what has to be installed, or why the last check failed."""
        missing = [
            name
            for name, path in (("semgrep", self._program), ("codeshield", self._rules))
            if path is None
        ]
        if missing:
            return f"no deep check: {' and '.join(missing)} must be installed beside unsay"
        return self._trouble or "ok"

    def find(self, case: Case) -> Sequence[Finding]:
        """What semgrep finds in the suggestion and our own rules have not."""
        language, ending = _LANGUAGES.get(case.language.lower(), ("", ""))
        if self._program is None or self._rules is None or not language:
            return ()
        rules = self._rules / f"{language}_codeshield.json"
        if not rules.is_file() or len(case.suggestion) > MOST_CHARS:
            return ()
        text = _around(case)
        with self._lock, tempfile.TemporaryDirectory(prefix="unsay-") as folder:
            target = Path(folder, "suggestion" + ending)
            target.write_text(text.text, encoding="ascii")
            spoken = _ENDING_LANGUAGE.get(ending, language)
            results = self._ask([str(self._program), *_options(spoken, rules), str(target)], folder)
        known = list(_known(case))
        return [one for one in _findings(results, text) if not _is_known(one, known)]

    def close(self) -> None:
        """End the child."""
        self._is_closed = True
        child = self._child
        if child is not None:
            child.kill()

    def _ask(self, command: Sequence[str], folder: str) -> list[dict[str, Any]]:
        """The results of one run; none where it fails, which `status` then tells."""
        if self._is_closed:
            return []
        quiet = {"SEMGREP_SEND_METRICS": "off", "SEMGREP_ENABLE_VERSION_CHECK": "0", "HOME": folder}
        try:
            with subprocess.Popen(
                command,
                cwd=folder,
                env=quiet | {"PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as child:
                self._child = child
                _limit(child.pid)
                try:
                    said, _ = child.communicate(timeout=SECONDS)
                finally:
                    child.kill()
                    self._child = None
            results: list[dict[str, Any]] = json.loads(said)["results"]
        except subprocess.TimeoutExpired:
            self._trouble = (
                f"the last deep check took more than {SECONDS:.0f} seconds and was ended"
            )
        except (OSError, ValueError, KeyError) as error:
            self._trouble = f"the last deep check failed ({type(error).__name__})"
        else:
            self._trouble = None
            return results
        return []


def _installed(package: str, path: Path) -> Path | None:
    """A file or folder of an installed package, without importing the package."""
    with suppress(ImportError, ValueError):
        spec = find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
            if Path(folder, path).exists():
                return Path(folder, path)
    return None


def _options(language: str, rules: Path) -> list[str]:
    """Options of the native child, which knows neither metrics nor a check for new versions."""
    limits = ["-timeout", "2", "-timeout_threshold", "1", "-max_memory", str(MEMORY_MIB)]
    return ["-json_nodots", "-j", "1", *limits, "-lang", language, "-rules", str(rules)]


def _limit(pid: int) -> None:
    """So much processor time and no more: the child ends even if the server is killed."""
    if sys.platform == "linux":
        from resource import RLIMIT_CPU, prlimit

        with suppress(OSError):
            prlimit(pid, RLIMIT_CPU, (int(SECONDS), int(SECONDS) + 1))


def _around(case: Case) -> Stitched:
    """The suggestion in its file, in ASCII, so that a byte is a character."""
    before, after = case.prefix[-AROUND_CHARS:], case.suffix[:AROUND_CHARS]
    if len(before) < len(case.prefix):
        before = before[before.find("\n") + 1 :]
    text = _NOT_ASCII.sub("x", before + case.suggestion + after)
    return Stitched(text, len(before), len(before) + len(case.suggestion))


def _findings(results: Sequence[dict[str, Any]], text: Stitched) -> Iterator[Finding]:
    for one in results:
        extra, begin, end = one["extra"], one["start"]["offset"], one["end"]["offset"]
        span = text.span(begin, end)
        if span is None or begin < text.start:  # what begins in the user's text is the user's
            continue
        about = extra.get("metadata", {})
        cwe = _CWE.search(f"{about.get('cwe_id')} {about.get('cwe')}")
        yield Finding(
            "insecure",
            str(one["check_id"]),
            cwe[0] if cwe is not None else None,
            *span,
            " ".join(str(extra.get("message", "")).split()) or "semgrep finds this insecure.",
            None,
            _SEVERITIES.get(str(extra.get("severity")), "low"),
        )


def _known(case: Case) -> Iterator[Finding]:
    """What the typing path says already."""
    if case.language.lower() == "python":
        yield from python_findings(case, time.thread_time() + SECONDS)
    else:
        yield from pattern_findings(case)


def _is_known(found: Finding, known: Sequence[Finding]) -> bool:
    return any(
        one.cwe == found.cwe and one.start < found.end and one.end > found.start for one in known
    )
