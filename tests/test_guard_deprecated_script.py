"""Deprecated names of JavaScript and TypeScript packages, from the declarations of a workspace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.guard.api_index import ApiIndex
from server.guard.deprecated import DeprecatedDetector
from server.guard.finding import Case

INDEX = """
export { inner as renamed } from './parts';
export * from './parts';
/** @deprecated Use `load` instead. */
export declare function oldLoad(path: string): Store;
/** @deprecated only for strings */
export declare function mixed(a: string): void;
export declare function mixed(a: number): void;
export declare function load(path: string): Store;
export declare class Store extends Base {
    /** @deprecated */
    get(key: string): string;
    fetch(key: string): string;
}
"""
PARTS = """
/** @deprecated */
export declare function inner(): void;
export declare class Base {
    /** @deprecated Use fetch. */
    take(): void;
}
"""
LIBRARY = """
interface Document { /** @deprecated */ execCommand(name: string): void; write(x: string): void; }
declare var document: Document;
interface String { /** @deprecated */ substr(at: number): string; slice(at: number): string; }
/** @deprecated */
declare function escape(text: string): string;
"""
NODE = """
declare module "fs" {
    /** @deprecated Use {@link stat} instead. */
    export function exists(path: string): void;
    global {
        interface BufferConstructor { /** @deprecated Use Buffer.from. */ new(n: number): X; }
    }
}
declare module "node:fs" { export * from "fs"; }
declare var Buffer: BufferConstructor;
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("web")
    for name, files in {
        "shelf": {"index.d.ts": INDEX, "parts.d.ts": PARTS},
        "typescript": {"lib/lib.dom.d.ts": LIBRARY},
        "@types/node": {"fs.d.ts": NODE},
    }.items():
        folder = root / "node_modules" / name
        for file, text in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(text)
        said = {"name": name, "version": "1.2.3", "types": "index.d.ts"}
        (folder / "package.json").write_text(json.dumps(said))
    return root


@pytest.fixture(scope="module")
def detector() -> Iterator[DeprecatedDetector]:
    detector = DeprecatedDetector(ApiIndex(None, None))
    yield detector
    detector.close()


def seen(
    detector: DeprecatedDetector, workspace: Path, prefix: str, suggestion: str
) -> list[tuple[str, str]]:
    case = Case(prefix, suggestion, "", "typescript", str(workspace / "src" / "a.ts"))
    detector.find(case)
    assert detector.scripts.wait(30)
    return [(one.rule, suggestion[one.start : one.end]) for one in detector.find(case)]


@pytest.mark.parametrize(
    ("prefix", "suggestion", "expected"),
    [
        ("import { oldLoad } from 'shelf';\n", "oldLoad(p);", ("shelf.oldLoad", "oldLoad")),
        ("import { oldLoad as l } from 'shelf';\n", "x(); l(p);", None),
        ("import * as shelf from 'shelf';\n", "shelf.oldLoad(p);", ("shelf.oldLoad", "oldLoad")),
        ("const shelf = require('shelf');\n", "shelf.oldLoad(p);", ("shelf.oldLoad", "oldLoad")),
        ("const { oldLoad } = require('shelf');\n", "oldLoad(p);", ("shelf.oldLoad", "oldLoad")),
        ("", "import { oldLoad } from 'shelf';", ("shelf.oldLoad", "oldLoad")),
        ("import { renamed } from 'shelf';\n", "renamed();", ("shelf.renamed", "renamed")),
        (
            "import { Store } from 'shelf';\nconst s = new Store();\n",
            "s.get('a');",
            ("shelf.Store.get", "get"),
        ),
        (
            "import { load } from 'shelf';\nconst s = load('a');\n",
            "s.take();",
            ("shelf.Base.take", "take"),
        ),
        (
            "import { Store } from 'shelf';\nfunction f(s: Store) {\n",
            "  s.get('a');",
            ("shelf.Store.get", "get"),
        ),
        ("import fs from 'fs';\n", "fs.exists(p);", ("fs.exists", "exists")),
        ("", "document.execCommand('copy');", ("Document.execCommand", "execCommand")),
        ("", "x = 'abc'.substr(1);", ("String.substr", "substr")),
        ("function f(s: string) {\n", "  s.substr(1);", ("String.substr", "substr")),
        ("", "x = escape(y);", ("escape", "escape")),
        ("", "x = new Buffer(3);", ("BufferConstructor.constructor", "Buffer")),
    ],
)
def test_a_name_that_the_declarations_deprecate_is_found(
    detector: DeprecatedDetector,
    workspace: Path,
    prefix: str,
    suggestion: str,
    expected: tuple[str, str] | None,
) -> None:
    found = seen(detector, workspace, prefix, suggestion)

    assert found == ([expected] if expected is not None else [])


@pytest.mark.parametrize(
    ("prefix", "suggestion"),
    [
        ("import { mixed } from 'shelf';\n", "mixed(1);"),
        ("import { oldLoad } from './shelf';\n", "oldLoad(p);"),
        ("import { Store } from 'shelf';\nconst s = new Store();\n", "s.fetch('a');"),
        ("", "s.get('a'); x.substr(1);"),
        ("function escape(x) {}\n", "escape(y);"),
        ("import fs from 'fs';\nfunction f(fs) {\n", "  fs.exists(p);"),
        ("", "document.write('a');"),
        ("", "// document.execCommand('copy')"),
        ("", "x = Buffer.from('a');"),
    ],
)
def test_other_script_names_are_not_found(
    detector: DeprecatedDetector, workspace: Path, prefix: str, suggestion: str
) -> None:
    assert seen(detector, workspace, prefix, suggestion) == []


def test_a_file_outside_a_workspace_has_no_findings(detector: DeprecatedDetector) -> None:
    assert detector.find(Case("", "x = escape(y);", "", "javascript", "a.js")) == []
    assert detector.find(Case("", "x = escape(y);", "", "javascript", None)) == []
