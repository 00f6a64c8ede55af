"""Copies of installed packages, and licence headers in suggestions."""

from __future__ import annotations

import json
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.guard.config import GuardConfig
from server.guard.finding import Case, Finding
from server.guard.guard import Guard
from server.guard.licences import terms
from server.guard.licensed import LicensedDetector


def function(name: str, lines: int = 12) -> str:
    """Code that no other name gives."""
    body = "\n".join(
        f"    {name}_{n} = fetch_{name}(source[{n}], scale={n * 7}) + offset_{n}"
        for n in range(lines)
    )
    return f"def {name}(source):\n{body}\n    return {name}_{lines - 1}\n"


def install(
    site: Path, name: str, metadata: str, files: dict[str, str], *, url: str | None = None
) -> None:
    info = site / f"{name}-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Name: {name}\nVersion: 1.2\n{metadata}\n")
    for file, text in files.items():
        (site / file).parent.mkdir(exist_ok=True)
        (site / file).write_text(text)
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    if url is not None:
        (info / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {}}))


def python_of(folder: Path) -> Path:
    return next(path for path in folder.glob("*/python*") if path.stem == "python")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with an environment and JavaScript packages of its own."""
    folder = tmp_path_factory.mktemp("workspace")
    venv.create(folder / ".venv", with_pip=False)
    (site,) = (folder / ".venv").rglob("site-packages")
    install(site, "free", "License-Expression: MIT", {"free/one.py": function("free")})
    install(site, "shared", "License: GPLv3", {"shared/a.py": function("shared")})
    install(site, "also", "Classifier: License :: OSI Approved :: Apache Software License",
            {"also/b.py": function("shared"), "also/none.py": ""})  # fmt: skip
    install(site, "closed", "License: UNKNOWN", {"closed/c.py": function("closed")})
    copyleft = "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)"
    install(site, "copyleft", copyleft, {"copyleft/d.py": function("copyleft")})
    install(site, "mine", "", {"mine/e.py": function("mine")}, url="file:///home/me/mine")
    for n in range(6):
        install(site, f"many{n}", "", {f"many{n}/f.py": function("boilerplate")})
    install(site, "often", "", {f"often/{n}.py": function("often") for n in range(9)})
    module = folder / "node_modules" / "@scope" / "left"
    module.mkdir(parents=True)
    (module / "package.json").write_text('{"name": "@scope/left", "version": "3.0.1"}')
    (module / "index.js").write_text(function("left").replace("def", "function"))
    (module / "left.min.js").write_text(function("minified"))
    (folder / "node_modules" / "broken").mkdir()
    (folder / "node_modules" / "broken" / "package.json").write_text("[")
    return folder


@pytest.fixture(scope="module")
def detector(workspace: Path) -> Iterator[LicensedDetector]:
    made = LicensedDetector(str(python_of(workspace / ".venv")), workspace / "cache", True)
    assert made.wait(60), made.status()
    yield made
    made.close()


def find(
    detector: LicensedDetector, suggestion: str, prefix: str = "", **place: str
) -> list[Finding]:
    case = Case(prefix, suggestion, place.get("suffix", ""), "python", place.get("path"))
    return list(detector.find(case))


def test_a_copy_is_found_with_its_origin_and_licence(detector: LicensedDetector) -> None:
    text = function("free")
    suggestion = f"x = 1\n{text}"

    (found,) = find(detector, suggestion)

    assert (found.kind, found.rule, found.severity) == ("licensed", "copied-from-package", "low")
    assert "free 1.2 (free/one.py), which is under MIT: keep its copyright" in found.message
    assert 6 <= found.start < 120 and len(suggestion) - 120 < found.end <= len(suggestion)


@pytest.mark.parametrize(
    ("name", "origin", "severity"),
    [
        ("often", "often 1.2 (often/0.py)", "medium"),
        ("closed", "closed 1.2 (closed/c.py), which is under an unknown licence", "medium"),
        ("copyleft", "copyleft 1.2 (copyleft/d.py), which is under GPL", "high"),
        ("shared", "also 1.2 (also/b.py), which is under Apache-2.0", "low"),
        ("left", "@scope/left 3.0.1 (@scope/left/index.js)", "medium"),
    ],
)
def test_the_origin_that_asks_least_is_named(
    detector: LicensedDetector, name: str, origin: str, severity: str
) -> None:
    (found,) = find(detector, function(name))

    assert origin in found.message
    assert found.severity == severity


def test_white_space_quotes_and_one_new_name_do_not_hide_a_copy(
    detector: LicensedDetector,
) -> None:
    text = function("free").replace("    ", "\t").replace(" + ", "+").replace("offset_4", "other")

    assert len(find(detector, text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(function("free").splitlines()[:3]),
        function("mine"),
        function("boilerplate"),
        function("minified"),
        function("unrelated"),
        function("free", 3) + function("another", 20),
        "",
    ],
    ids=["below 40 tokens", "own", "in many packages", "minified", "unrelated", "little", "empty"],
)
def test_what_is_no_copy_is_not_flagged(detector: LicensedDetector, text: str) -> None:
    assert find(detector, text) == []


def test_what_stands_in_the_users_text_is_theirs(detector: LicensedDetector) -> None:
    text = function("free")

    assert find(detector, text, prefix=f"{text}\n") == []
    assert find(detector, text, suffix=f"\n{text}") == []
    assert find(detector, text, path="lib/site-packages/free/one.py") == []


def test_a_second_start_reads_the_cache_and_a_damaged_one_is_made_anew(workspace: Path) -> None:
    cache, python = workspace / "kept", str(python_of(workspace / ".venv"))
    texts: list[str] = []
    for damage in ("", "copied-*.npy", "copies-*.npz"):
        for path in cache.glob(damage) if damage else ():
            path.write_bytes(b"no table")
        made = LicensedDetector(python, cache, True)
        made.wait(60)
        texts.append(made.status())
        made.close()
        again = LicensedDetector(python, cache, True)
        assert again.wait(60), again.status()
        assert len(find(again, function("free"))) == 1
        again.close()

    assert texts[0] == texts[2] == "ok"
    assert "damaged" in texts[1] and "start the server again" in texts[1]


def test_without_an_index_the_status_says_so_and_headers_are_still_found(tmp_path: Path) -> None:
    idle = LicensedDetector(None, None, False)
    broken = LicensedDetector(str(tmp_path / "no-python"), None, True)
    broken.wait(30)

    assert "has not been started" in idle.status()
    assert "set guard.python" in broken.status()
    assert len(find(broken, "# SPDX-License-Identifier: GPL-2.0-only\n")) == 1
    broken.close()


HEADERS = [
    ("# Copyright (c) 2019 Acme Inc. All rights reserved.\n", "medium"),
    ("# SPDX-License-Identifier: MIT\n", "low"),
    (
        "/* SPDX-License-Identifier: (GPL-2.0-only OR MIT) */\n".replace("(", "").replace(")", ""),
        "low",
    ),
    ("// SPDX-License-Identifier: AGPL-3.0-or-later\n", "high"),
    ("# This is free software, under the terms of the GNU\n# General Public License.\n", "high"),
    (" * Subject to the terms of the Mozilla\n * Public License, v. 2.0.\n", "medium"),
    ('"""Tools.\n\nLicensed under the Apache License, Version 2.0.\n"""\n', "low"),
    ("# Copyright 2020 The Authors\n# Licensed under the MIT License\n", "low"),
    ("// Proprietary and confidential\n", "high"),
]


@pytest.mark.parametrize(("text", "severity"), HEADERS)
def test_a_licence_header_is_found(text: str, severity: str) -> None:
    (found,) = find(LicensedDetector(None, None, False), f"{text}import os\n")

    assert (found.kind, found.rule, found.severity) == ("licensed", "licence-header", severity)
    assert found.end <= len(text)


@pytest.mark.parametrize(("licence", "action"), [("MIT", "warned"), ("GPL-2.0-only", "blocked")])
def test_what_asks_only_for_attribution_is_warned_about(licence: str, action: str) -> None:
    guard = Guard(GuardConfig(index_packages=False, typing_ms=10_000.0))
    case = Case("", f"# SPDX-License-Identifier: {licence}\nx = 1\n", "", "python")

    review = guard.review(case)
    guard.close()

    assert review.action == action
    assert [one.rule for one in review.findings] == ["licence-header"]


@pytest.mark.parametrize(
    ("prefix", "text", "language"),
    [
        ("", 'print("All rights reserved")\n', "python"),
        ("", "<p>© Copyright 2024 Acme. All rights reserved.</p>\n", "html"),
        ("<footer>\n", "  All rights reserved.\n</footer>", "typescriptreact"),
        ("", '"License :: OSI Approved :: GNU General Public License v3 (GPLv3)",\n', "python"),
        ("", "copyright = notice_of(year)\n", "python"),
        ("", 'license = "MIT"\n', "python"),
        ("# SPDX-License-Identifier: ", "MIT\n", "python"),
        ("# Copyright 2026 Me\n", "# Copyright 2026 Me\n", "python"),
        ("", "Licensed under the MIT License.\n", "markdown"),
        ("", "# check the licence of the driver\n", "python"),
    ],
)
def test_words_that_are_no_header_of_someone_else(prefix: str, text: str, language: str) -> None:
    detector = LicensedDetector(None, None, False)

    assert list(detector.find(Case(prefix, text, "", language))) == []


@pytest.mark.parametrize(
    ("expression", "meaning"),
    [
        ("MIT", "permissive"),
        ("(MIT OR GPL-3.0-only)", "permissive"),
        ("BSD-3-Clause AND LGPL-2.1-or-later", "weak copyleft"),
        ("GPL-2.0-only WITH Classpath-exception-2.0", "strong copyleft"),
        ("UNLICENSED", "proprietary"),
        ("Apache License, Version 2.0", "permissive"),
        ("SEE LICENSE IN LICENSE.txt", "unknown"),
        ("", "unknown"),
    ],
)
def test_what_a_licence_asks(expression: str, meaning: str) -> None:
    assert terms(expression) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "a" * 1_000_000,
        "licence " + "# \n" * 300_000,
        "copyright " * 100_000,
        "x = [" * 100_000,
        "\x00\ud800" * 100_000,
        "all rights reserved\n" * 20_000,
    ],
    ids=["line", "comments", "copyright", "nesting", "signs", "rights"],
)
def test_a_hostile_suggestion_takes_bounded_time(detector: LicensedDetector, text: str) -> None:
    began = time.thread_time()

    detector.find(Case(text, text, text, "python"))

    assert time.thread_time() - began < 0.5
