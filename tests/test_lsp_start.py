"""How the language server starts, starts a server, is spoken to badly, and ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from lsp_editor import COMMAND, ROOT, editing

SECRET = "hunter2-and-more"


def frame(message: dict[str, Any]) -> bytes:
    data = json.dumps(message).encode()
    return b"Content-Length: %d\r\n\r\n" % len(data) + data


def initialize(**params: Any) -> bytes:
    return frame(
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {"processId": None, "rootUri": None, "capabilities": {}} | params,
        }
    )


def seconds_to_initialize(home: Path) -> tuple[float, float]:
    """By the clock, and of the processor: on a busy machine the clock says little."""
    began = time.perf_counter()
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "UNSAY_HOME": str(home)},
        cwd=ROOT,
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(initialize())
    process.stdin.flush()
    line = process.stdout.readline()
    took = time.perf_counter() - began
    process.kill()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    process.stdin.close()
    process.stdout.close()
    assert line.startswith(b"Content-Length")
    return took, usage.ru_utime + usage.ru_stime


def test_initialize_is_answered_within_half_a_second(tmp_path: Path) -> None:
    took = [seconds_to_initialize(tmp_path / "home") for _ in range(3)]

    is_busy = os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
    assert min(cpu for _, cpu in took) < 0.5
    assert is_busy or min(clock for clock, _ in took) < 0.5


def test_the_language_server_never_imports_torch() -> None:
    code = (
        "import sys; import lsp.start, lsp.features, lsp.launcher, aiohttp;"
        "print([name for name in ('torch', 'transformers', 'peft', 'server', 'store')"
        " if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.stdout.strip() == "[]", done.stderr


async def test_two_editors_start_one_server_which_outlives_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    starter = launching(home, tmp_path, SERVE)
    settings = {"startServer": True}

    try:
        async with (
            editing(home, tmp_path / "a", settings=settings, command=starter) as one,
            editing(home, tmp_path / "b", settings=settings, command=starter) as other,
        ):
            await one.state("ready")
            await other.state("ready")
    finally:
        started = [int(pid) for pid in (tmp_path / "started").read_text().split()]
        for pid in started:
            os.kill(pid, 15)  # fails if the server went with its editors

    assert len(started) == 1


async def test_a_server_that_does_not_start_says_why_and_is_not_tried_at_every_key(
    tmp_path: Path,
) -> None:
    failing = (
        "import sys; open(sys.argv[1], 'a').write('x '); sys.exit('unsay: no model: name one')"
    )
    starter = launching(tmp_path / "home", tmp_path, failing)
    settings = {"startServer": True}
    async with editing(
        tmp_path / "home", tmp_path / "work", settings=settings, command=starter
    ) as editor:
        status = await editor.state("error")
        uri = editor.open("demo.py", "x = ")
        for _ in range(3):
            await editor.ghosts(uri)

        assert "no model: name one" in status.message
        assert (tmp_path / "started").read_text() == "x "


FAIL = """
import sys
open(sys.argv[1], "a").write("x ")
sys.exit("unsay: no model: name one")
"""

SERVE = """
import json, os, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
class H(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"status": "ok", "generation": "base", "model": "m"}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body)))
        self.end_headers(); self.wfile.write(body)
    def log_message(self, *a): pass
open(sys.argv[1], "a").write(f"{os.getpid()} ")
time.sleep(0.5)
s = HTTPServer(("127.0.0.1", 0), H)
open("token", "w").write("t")
open("server.json", "w").write(json.dumps({"url": f"http://127.0.0.1:{s.server_port}"}))
s.serve_forever()
"""


def launching(home: Path, folder: Path, serve: str) -> tuple[str, ...]:
    """A language server whose serve command is the Python text `serve`."""
    (folder / "serve.py").write_text(serve)
    code = (
        "import sys; from pathlib import Path; from lsp.config import LspConfig;"
        "from lsp.start import run; import os;"
        f"run(Path({str(home)!r}), LspConfig(), [sys.executable, {str(folder / 'serve.py')!r},"
        f" {str(folder / 'started')!r}], dict(os.environ))"
    )
    return (sys.executable, "-c", code)


def test_malformed_input_is_answered_without_a_word_of_it(tmp_path: Path) -> None:
    bad_request = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "textDocument/inlineCompletion",
        "params": {"textDocument": SECRET},
    }
    bad_command = {
        "jsonrpc": "2.0",
        "id": 3,
        "method": "workspace/executeCommand",
        "params": {"command": "unsay.unsaySelection", "arguments": [SECRET, {"start": SECRET}]},
    }
    unknown: dict[str, object] = {"jsonrpc": "2.0", "id": 4, "method": SECRET, "params": {}}
    change = {
        "jsonrpc": "2.0",
        "method": "textDocument/didChange",
        "params": {
            "textDocument": {"uri": "file:///never-opened", "version": 1},
            "contentChanges": [{"text": SECRET}],
        },
    }
    shutdown = {"jsonrpc": "2.0", "id": 5, "method": "shutdown"}
    sent = [
        initialize(initializationOptions={"startServer": False}),
        b"Content-Length: 9\r\n\r\n{not json",
        frame({"jsonrpc": "2.0", "method": "initialized", "params": {}}),
        *map(frame, (bad_request, bad_command, unknown, change, shutdown)),
    ]
    exit = frame({"jsonrpc": "2.0", "method": "exit"})
    done = subprocess.run(
        COMMAND,
        input=b"".join([*sent, exit]),
        capture_output=True,
        env={**os.environ, "UNSAY_HOME": str(tmp_path / "home")},
        cwd=ROOT,
        timeout=20,
    )

    answers = [json.loads(part) for part in _bodies(done.stdout)]
    errors_by_id = {answer["id"]: answer["error"] for answer in answers if "error" in answer}
    assert done.returncode == 0
    assert errors_by_id[2] == {
        "code": -32602,
        "message": "the request has parameters of the wrong form",
    }
    assert errors_by_id[4] == {"code": -32601, "message": "Unsay has no such method"}
    assert SECRET.encode() not in done.stdout + done.stderr


def _bodies(stream: bytes) -> list[bytes]:
    bodies: list[bytes] = []
    while stream:
        head, _, stream = stream.partition(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
        bodies.append(stream[:length])
        stream = stream[length:]
    return bodies


def test_the_process_ends_when_the_editor_vanishes(tmp_path: Path) -> None:
    done = subprocess.run(
        COMMAND,
        input=initialize(initializationOptions={"startServer": False}),
        capture_output=True,
        env={**os.environ, "UNSAY_HOME": str(tmp_path / "home")},
        cwd=ROOT,
        timeout=10,
    )

    assert done.returncode == 0
