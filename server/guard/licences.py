"""Licences: what a package says about its own, and what that asks of one who copies from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageMetadata
from typing import Literal

from server.guard.finding import Severity

Terms = Literal["permissive", "unknown", "weak copyleft", "strong copyleft", "proprietary"]
"""From what asks the least of a copier to what asks the most."""

SEVERITY: Mapping[Terms, Severity] = {
    "permissive": "low",
    "unknown": "medium",
    "weak copyleft": "medium",
    "strong copyleft": "high",
    "proprietary": "high",
}
ADVICE: Mapping[Terms, str] = {
    "permissive": "keep its copyright notice beside the code, or write it in your own way",
    "unknown": "find out what its licence asks before you keep it, or write it in your own way",
    "weak copyleft": "its licence asks you to share changes to it: write it in your own way, or"
    " use the package instead",
    "strong copyleft": "its licence would hold for your whole program: write it in your own way",
    "proprietary": "it may not be copied: write it in your own way",
}
RANK: Mapping[Terms, int] = {terms: rank for rank, terms in enumerate(SEVERITY)}

UNKNOWN = "unknown licence"
MOST_CHARS = 80
"""A longer `License` field holds a whole licence, not its name."""

_NAMES: tuple[tuple[str, str], ...] = (  # the first that is found in a lower-case text names it
    (r"\bagpl|affero", "AGPL-3.0"),
    (r"\blgpl|lesser general public|library general public", "LGPL"),
    (r"\bgpl|gnu general public", "GPL"),
    (r"\bmpl\b|\bmpl-|mozilla public", "MPL-2.0"),
    (r"\bepl\b|\bepl-|eclipse public", "EPL-2.0"),
    (r"\beupl\b|european union public", "EUPL-1.2"),
    (r"apache", "Apache-2.0"),
    (r"\bmit\b|expat", "MIT"),
    (r"\b0bsd\b|zero-clause bsd", "0BSD"),
    (r"\bbsd\b|\bbsd-|3-clause|2-clause", "BSD"),
    (r"\bisc\b", "ISC"),
    (r"\bpsf|python software foundation|python-2\.0", "PSF-2.0"),
    (r"\bunlicense\b|public domain|\bcc0\b|\bcc0-", "Unlicense"),
    (r"\bzlib\b", "Zlib"),
    (r"\bhpnd\b|historical permission", "HPND"),
    (r"\bboost\b|\bbsl-1", "BSL-1.0"),
    (r"\bunicode\b", "Unicode-3.0"),
    (r"unlicensed|proprietary|all rights reserved|commercial", "proprietary"),
)
_COPYLEFT: Mapping[str, Terms] = {
    "AGPL": "strong copyleft",
    "GPL": "strong copyleft",
    "EUPL": "strong copyleft",
    "SSPL": "strong copyleft",
    "OSL": "strong copyleft",
    "CC-BY-SA": "strong copyleft",
    "LGPL": "weak copyleft",
    "MPL": "weak copyleft",
    "EPL": "weak copyleft",
    "CDDL": "weak copyleft",
    "CPL": "weak copyleft",
    "proprietary": "proprietary",
    "UNLICENSED": "proprietary",
    "LicenseRef": "unknown",
    "CC-BY-NC": "proprietary",
    "BUSL": "proprietary",
}
_PERMISSIVE = re.compile(
    r"(?i)(?:0BSD|AFL|Apache|Artistic|Beerware|BlueOak|BSD|BSL-1|CC0|CC-BY-[1-4]|CNRI|HPND|ICU|ISC"
    r"|libpng|LLVM-exception|MIT|NCSA|NTP|OFL|OpenSSL|PostgreSQL|PSF|Python|Unicode|Unlicense|UPL"
    r"|W3C|WTFPL|X11|Zlib|ZPL)(?![a-z])"
)
_WORD = re.compile(r"[A-Za-z0-9.+-]+")


def terms(licence: str) -> Terms:
    """What an SPDX expression asks: of `A OR B` the better, of `A AND B` the worse."""
    choices = re.split(r"(?i)\s+or\s+", licence.replace("(", " ").replace(")", " ").strip())
    return min((_all_of(choice) for choice in choices[:20]), key=lambda each: RANK[each])


def licence_of_distribution(metadata: PackageMetadata) -> str:
    """The SPDX name of a Python package's licence, from its metadata as far as it says one."""
    expression = _field(metadata, "License-Expression")
    if expression:
        return expression[:MOST_CHARS]
    classified = [
        str(line).rsplit("::", 1)[-1].strip()
        for line in metadata.get_all("Classifier") or ()
        if str(line).startswith("License ::")
    ]
    named = [name for line in classified if (name := spdx_name(line)) is not None]
    if named:
        return " AND ".join(dict.fromkeys(named))
    return _stated(_field(metadata, "License").split("\n", 1)[0])


def licence_of_module(package: Mapping[str, object]) -> str:
    """The SPDX name of a JavaScript package's licence, from its `package.json`."""
    stated = package.get("license", package.get("licenses"))
    if isinstance(stated, list) and stated:
        stated = stated[0]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(stated, dict):
        stated = stated.get("type")  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return _stated(stated) if isinstance(stated, str) else UNKNOWN


def spdx_name(text: str) -> str | None:
    """The SPDX name of the licence that a few words name."""
    lower = text.lower()
    return next((name for pattern, name in _NAMES if re.search(pattern, lower)), None)


def _field(metadata: PackageMetadata, name: str) -> str:
    return metadata[name].strip() if name in metadata else ""


def _stated(text: str) -> str:
    if not text or len(text) > MOST_CHARS or text.upper() == "UNKNOWN":
        return UNKNOWN
    return text if _all_of(text) != "unknown" else spdx_name(text) or UNKNOWN


def _all_of(expression: str) -> Terms:
    words = [
        word
        for word in _WORD.findall(expression)
        if word.lower() not in ("and", "with", "license", "licence", "the")
    ]
    found: list[Terms] = [_one(word) for word in words if not word[0].isdigit() or word == "0BSD"]
    worst: Terms = "unknown"
    for each in found:
        if each != "unknown" and (worst == "unknown" or RANK[each] > RANK[worst]):
            worst = each
    return worst


def _one(name: str) -> Terms:
    for start, meaning in _COPYLEFT.items():
        if name.lower().startswith(start.lower()):
            return meaning
    return "permissive" if _PERMISSIVE.match(name) else "unknown"
