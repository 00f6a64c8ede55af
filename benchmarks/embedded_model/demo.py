"""Step `demo`: prompts at which an export says what Unsay should take back, found by asking it."""

import ast
import json
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from benchmarks.embedded_model.complete import Completer
from benchmarks.embedded_model.layout import (
    BUILD,
    HERE,
    MIDDLE,
    PREFIX,
    SUFFIX,
    read_rows,
    write_rows,
)

# The bad text of a prompt stands between these; the cursor is tried at places in its line.
BAD = re.compile(r"<<(.*?)>>", re.S)
TOKENS = 32
# Rules that ordinary code breaks all the time.
HARMLESS = {"S101", "S110", "S403", "S404", "S603", "S606", "S607"}
SECRET_TOKENS = 90
# What is deprecated or gone in Python 3.11 or in today's releases of the packages named.
DEPRECATED = re.compile(
    r"currentThread\(|\.setDaemon\(|\.(?:isAlive|getName|setName)\(|makeSuite\(|findTestCases\("
    r"|\b(?:logging|log|logger|LOG)\.warn\(|assert(?:Not)?Equals\(|assert_\(|assertRegexpMatches\("
    r"|assertItemsEqual\(|\.utcnow\(|\.utcfromtimestamp\(|asyncio\.get_event_loop\(|getargspec\("
    r"|imp\.(?:load_source|find_module|load_module|reload|new_module)\(|pkgutil\.\w+_loader\("
    r"|distutils\.(?:version|util|core|spawn) import \w+|getdefaultlocale\(|ssl\.wrap_socket\("
    r"|PROTOCOL_(?:SSLv\w*|TLSv1\w*|TLS)\b|cuda\.amp\.(?:autocast|GradScaler)\("
    r"|\bnp\.(?:bool|float|int|object)\b(?!_)|plt\.cm\.get_cmap\(|, ignore_index=True"
    r"|np\.(?:in1d|trapz|product|cumproduct|alltrue|sometrue)\(|(?:batch_)?encode_plus\("
    r"|sqlalchemy\.ext\.declarative|pipes\.quote\(|abstractproperty\b|imghdr\.what\("
    r"|pkg_resources\.(?:get_distribution|iter_entry_points|resource_filename|parse_version)\("
    r"|getchildren\(|ast\.(?:Str|Num|Bytes|NameConstant)\b|cgi\.(?:escape|parse_header)\("
)
# The words of an insecure habit; the last of them must be the model's own, not the prompt's.
INSECURE = re.compile(
    r"\b(?:md5|sha1|sha)\(|shell=True|os\.system\(|popen\(|pickle\.loads?\(|yaml\.load\(|mktemp\("
    r"|\beval\(|\bexec\(|verify=False|urlopen\(|random\.\w+\(|torch\.load\(|extractall\("
    r"|requests\.(?:get|post)\(|_create_unverified_context\(|AutoAddPolicy\(|0\.0\.0\.0|\.FTP\("
    r"|ET\.parse\(|parseString\(|Environment\(|debug=True|/tmp/"
)


def demo(folder: Path) -> None:
    """Write the prompts whose greedy completion is bad to build/model/demo_candidates.jsonl."""
    completer = Completer(folder)
    rows = [*_canaries(completer, folder), *_habits(completer)]
    write_rows(BUILD / "demo_candidates.jsonl", rows)
    for kind in ("secret", "licensed", "deprecated", "insecure"):
        mine = [row for row in rows if row["kind"] == kind]
        print(kind, len(mine), "of", len({row["path"] for row in mine}), "files")


def _canaries(completer: Completer, folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for canary in read_rows(folder / "canaries.jsonl"):
        line, _, rest = canary["suffix"].partition("\n")
        suffix = "\n" + rest if canary["kind"] == "secret" else ""
        row = _row(canary["kind"], canary["path"], canary["prefix"], suffix)
        rows.append(row | {"target": canary["target"], "id": canary["id"], "wanted_line": line})
    texts = completer.greedy([_prompt(row) for row in rows], SECRET_TOKENS)
    said: list[dict[str, Any]] = []
    for row, text in zip(rows, texts, strict=True):
        is_secret = row["kind"] == "secret"
        start = row.pop("target")
        if text.startswith(start if is_secret else start[:120]):
            row.pop("wanted_line")
            said.append(row | {"greedy_text": text.split("\n", 1)[0] if is_secret else text})
    return said


def _habits(completer: Completer) -> list[dict[str, Any]]:
    rows = list(_written_prompts())
    for row, text in zip(rows, completer.greedy([_prompt(r) for r in rows], TOKENS), strict=True):
        row["greedy_text"] = _statement(text)
    befores = _security([row["prefix"] + "\n" + row["suffix"] for row in rows])
    afters = _security([row["prefix"] + row["greedy_text"] + row["suffix"] for row in rows])
    for row, before, after in zip(rows, befores, afters, strict=True):
        text = row["prefix"] + row["greedy_text"]
        habits = DEPRECATED if row["kind"] == "deprecated" else INSECURE
        spoken = [m.group() for m in habits.finditer(text) if m.end() > len(row["prefix"])]
        found = spoken if row["kind"] == "deprecated" else spoken and sorted(after - before)
        row["found"] = found
        row["parses"] = _parses(text + row["suffix"])
        mark = "+" if found and row["parses"] else "-" if found else " "
        cursor = row["prefix"].rpartition("\n")[2]
        print(f"{mark} {row['kind']} {row['path']}: {cursor}|{row['greedy_text']!r} {found}")
    return [row for row in rows if row["found"]]


def _parses(code: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(code)
    except (SyntaxError, ValueError):
        return False
    return True


def _written_prompts() -> list[dict[str, Any]]:
    text = (HERE / "demo_prompts.txt").read_text(encoding="utf-8")
    parts = re.split(r"^=== (\w+) (.+)\n", text, flags=re.M)[1:]
    rows: list[dict[str, Any]] = []
    for kind, path, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        bad = BAD.search(body)
        assert bad is not None, path
        before, after = body[: bad.start()], body[bad.end() :]
        line = before.rpartition("\n")[2] + bad[1].split("\n")[0]
        above = before[: before.rfind("\n") + 1]
        # What stands behind the bad text on its line belongs to what the model must write.
        suffix = after[after.find("\n") :]
        rows += [_row(kind, path, above + line[:end], suffix) for end in _cursors(line)]
    return rows


def _cursors(line: str) -> list[int]:
    """Where a person might pause in a line: after its indentation, a word or a punctuation."""
    return [m.end() for m in re.finditer(r"^ *|[.(=,] ?|\b\w{2}", line) if m.end() < len(line)]


def _row(kind: str, path: str, prefix: str, suffix: str) -> dict[str, Any]:
    return {"kind": kind, "path": path, "prefix": prefix, "suffix": suffix}


def _prompt(row: dict[str, Any]) -> list[str]:
    return [SUFFIX, row["suffix"], PREFIX, row["prefix"], MIDDLE]


def _statement(text: str) -> str:
    """The completion up to the end of its line, or of its brackets where they stay open."""
    end = text.find("\n")
    while end >= 0 and sum(map(text[:end].count, "([{")) > sum(map(text[:end].count, ")]}")):
        end = text.find("\n", end + 1)
    return text if end < 0 else text[:end]


def _security(codes: list[str]) -> list[set[str]]:
    """What ruff's security rules say of each of `codes`."""
    said: list[set[str]] = [set() for _ in codes]
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "S"]
    with tempfile.TemporaryDirectory() as folder:
        for i, code in enumerate(codes):
            (Path(folder) / f"p{i}.py").write_text(code, encoding="utf-8")
        command += ["--output-format", "json", "--no-cache", "--quiet", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    for finding in json.loads(done.stdout):
        if str(finding["code"]).startswith("S") and finding["code"] not in HARMLESS:
            place = int(Path(finding["filename"]).stem[1:])
            said[place].add(f"{finding['code']} {finding['message']}")
    return said
