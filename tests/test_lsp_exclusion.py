"""Files that must stay in the editor: not one request goes out for them."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio
from fake_server import FakeServer
from lsp_editor import Editor, editing

from lsp.ignore_file import IgnorePatterns

pytestmark = pytest.mark.asyncio(loop_scope="module")


SECRET = "hunter2-and-more"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def excluding(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncGenerator[tuple[FakeServer, Editor]]:
    """An editor in a repository with files that must stay there."""
    folder = tmp_path_factory.mktemp("excluding")
    work = folder / "work"
    (work / "own").mkdir(parents=True)
    subprocess.run(["git", "init", "-q", str(work)], check=True)
    (work / ".gitignore").write_text("private.py\nignored/\n")
    (work / "own" / ".unsayignore").write_text("*.py\n")
    (work / "real.key").write_text("A")
    (work / "link.py").symlink_to(work / "real.key")
    fake = FakeServer(folder / "home")
    settings = {"exclude": ["/set.py"]}
    async with fake.listening(), editing(fake.home, work, settings=settings) as editor:
        await editor.state("ready")
        yield fake, editor


@pytest.mark.parametrize(
    ("name", "language", "text"),
    [
        (".env", "plaintext", "A=1\n"),
        ("config/.env.local", "plaintext", "A=1\n"),
        (".git/COMMIT_EDITMSG", "git-commit", "A"),
        ("deploy.pem", "plaintext", "A"),
        ("secrets.py", "python", "A"),
        ("private.py", "python", "A"),
        ("own/kept.py", "python", "A"),
        ("ignored/deep/demo.py", "python", "A"),
        ("set.py", "python", "A"),
        ("link.py", "python", "A"),
        ("key.py", "python", "k = '''-----BEGIN RSA PRIVATE KEY-----\n"),
        ("big.py", "python", "x = 1\n" * 200_000),
        ("nul.py", "python", "x = 1\0"),
        ("git:/demo.py?ref", "python", "x"),
        ("untitled:Untitled-1", "plaintext", f"A_KEY=1\nB_KEY={SECRET}\nC=\n"),
    ],
)
async def test_nothing_of_an_excluded_file_is_sent(
    excluding: tuple[FakeServer, Editor], name: str, language: str, text: str
) -> None:
    fake, editor = excluding
    uri = editor.open(name, text, language)

    ghosts = await editor.ghosts(uri, invoked=True)
    await editor.run("unsay.unsaySelection", uri, {"start": place(0), "end": place(1)})

    assert ghosts == []
    assert editor.statuses[-1].state == "excluded"
    assert fake.requests == []
    assert any("Nothing was sent." in message for message in editor.messages)


def place(character: int) -> dict[str, int]:
    return {"line": 0, "character": character}


async def test_a_file_in_a_repository_that_git_cannot_read_is_excluded(
    tmp_path: Path,
) -> None:
    fake = FakeServer(tmp_path / "home")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / ".git").write_text("gitdir: /nowhere\n")
    async with fake.listening(), editing(fake.home, tmp_path / "work") as editor:
        await editor.state("ready")
        uri = editor.open("demo.py", "x = ")

        await editor.ghosts(uri)

        assert "git could not say" in editor.statuses[-1].message
        assert fake.requests == []


PATTERNS = """
# a comment
*.log
!keep.log
/top.txt
build/
docs/**/draft
a/*/c
**/deep.py
[ab]?.c
[!x]y.h
logs/**
\\#odd
trailing\\ 
white   
"""

PATHS = [
    *("x.log", "keep.log", "d/x.log", "top.txt", "d/top.txt", "build/a", "d/build/a/b", "build"),
    *("docs/draft", "docs/x/y/draft", "docs/xdraft", "a/b/c", "a/b/b/c", "deep.py", "x/deep.py"),
    *("a1.c", "c1.c", "ab1.c", "zy.h", "xy.h", "logs/a", "logs/a/b", "#odd", "trailing ", "white"),
]


async def test_ignore_patterns_are_read_as_git_reads_them(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text(PATTERNS)
    asked = "\n".join(PATHS)
    git = subprocess.run(
        ["git", "-C", str(tmp_path), "check-ignore", "--no-index", "--stdin"],
        input=asked,
        capture_output=True,
        text=True,
    )

    ours = IgnorePatterns(PATTERNS.splitlines())

    assert [path for path in PATHS if ours.match(path)] == [
        line.strip('"') for line in git.stdout.splitlines()
    ]


async def test_an_ignore_pattern_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\[z-a\]"):
        IgnorePatterns(["[z-a]"])
