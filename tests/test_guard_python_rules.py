"""Our own rules for insecure Python: what they blame, what they leave alone, how long they take."""

from __future__ import annotations

import time
import tomllib
from contextlib import suppress
from importlib.resources import files

import pytest

from server.guard.call_conditions import CONDITIONS
from server.guard.errors import OutOfTime
from server.guard.finding import Case, Finding
from server.guard.import_table import import_table, imports_around
from server.guard.python_rules import python_findings
from server.guard.repair import spliced


def found(prefix: str, suggestion: str, suffix: str = "\n") -> list[Finding]:
    case = Case(prefix, suggestion, suffix, "python")
    return python_findings(case, time.thread_time() + 5)


def blamed(findings: list[Finding], text: str) -> list[tuple[str, str | None, str]]:
    return [(one.rule, one.cwe, text[one.start : one.end]) for one in findings]


WRONG = [
    ("", "eval(text)", "S307", "CWE-94", "eval"),
    ("", "exec(code, names)", "S102", "CWE-94", "exec"),
    ("", "exec code in names", "S102", "CWE-94", "exec"),
    ("", "__import__('a.' + name)", "import-by-text", "CWE-94", "__import__"),
    ("import code\n", "code.interact()", "interpreter", "CWE-94", "code.interact"),
    ("import os\n", "os.system('ls ' + x)", "S605", "CWE-78", "os.system"),
    ("from os import popen as p\n", "p(command)", "S605", "CWE-78", "p"),
    ("", "outfile = os.popen(json[x]['command'])", "S605", "CWE-78", "os.popen"),
    ("import subprocess as sp\n", "sp.run(c, shell=True)", "S602", "CWE-78", "shell=True"),
    ("", "self.start(c, shell=True)", "S604", "CWE-78", "shell=True"),
    ("import subprocess\n", "subprocess.run(['sh', '-c', c])", "shell-by-name", "CWE-78", "c"),
    (
        "import asyncio\n",
        "await asyncio.create_subprocess_shell(c)",
        "shell-started",
        "CWE-78",
        "asyncio.create_subprocess_shell",
    ),
    ("", "ssh.exec_command('ls %s' % d)", "S601", "CWE-78", "exec_command"),
    ("import cPickle\n", "cPickle.loads(x)", "S301", "CWE-502", "cPickle.loads"),
    ("import shelve\n", "shelve.open(path)", "S301", "CWE-502", "shelve.open"),
    (
        "import numpy as np\n",
        "np.load(f, allow_pickle=True)",
        "numpy-pickle",
        "CWE-502",
        "allow_pickle=True",
    ),
    ("import hashlib\n", "hashlib.new('md5', x)", "S324", "CWE-328", "'md5'"),
    ("import hmac, hashlib\n", "hmac.new(k, m, hashlib.sha1)", "S324", "CWE-328", "sha1"),
    ("from Crypto.Hash import MD5\n", "MD5.new()", "S324", "CWE-328", "new"),
    ("from Crypto.Cipher import AES\n", "AES.new(k, AES.MODE_ECB)", "S305", "CWE-327", "MODE_ECB"),
    (
        "import ssl\n",
        "c = ssl._create_unverified_context()",
        "S323",
        "CWE-295",
        "_create_unverified_context",
    ),
    ("", "context.check_hostname = False", "certificate-check-off", "CWE-295", "False"),
    ("", "httpx.get(u, verify=False)", "S501", "CWE-295", "verify=False"),
    ("import tempfile\n", "tempfile.mktemp()", "S306", "CWE-377", "tempfile.mktemp"),
    ("import random\n", "token = random.getrandbits(64)", "S311", "CWE-338", "random.getrandbits"),
    (
        "def new_password(n):\n    return ",
        "random.choice(letters)",
        "S311",
        "CWE-338",
        "random.choice",
    ),
    (
        "",
        "cur.execute('SELECT a FROM t WHERE b = ' + x)",
        "S608",
        "CWE-89",
        "'SELECT a FROM t WHERE b = ' + x",
    ),
    ("", "q = f'DELETE FROM {t}'", "S608", "CWE-89", "f'DELETE FROM {t}'"),
    ("", "db.execute(query % values)", "S608", "CWE-89", "query % values"),
    ("", "self.cursor.execute(query.format(t))", "S608", "CWE-89", "query.format(t)"),
]


@pytest.mark.parametrize(("prefix", "suggestion", "rule", "cwe", "span"), WRONG)
def test_what_is_wrong_is_blamed_with_its_weakness_at_its_place(
    prefix: str, suggestion: str, rule: str, cwe: str, span: str
) -> None:
    findings = found(prefix, suggestion)

    assert blamed(findings, suggestion) == [(rule, cwe, span)]


FINE = [
    ("", "eval('1 + 1')"),
    ("def eval(x): return x\n", "eval(text)"),
    ("from numexpr import evaluate as eval\n", "model.eval()"),
    ("import re\n", "re.compile(text)"),
    ("import ast\n", "compile(ast.parse(text), 'f', 'exec')"),
    ("import subprocess\n", "subprocess.run(['ls', path])"),
    ("import subprocess\n", "subprocess.run(['sh', '-c', 'ls'])"),
    ("import pickle\n", "pickle.loads(pickle.dumps(x))"),
    ("import pickle\nheld = pickle.dumps(x)\n", "pickle.loads(held)"),
    ("import pickle\ndef f(g):\n    pickle.dump([1, g], g)\n    ", "x = pickle.load(g)"),
    ("import hashlib\n", "hashlib.md5(x, usedforsecurity=False)"),
    ("import hashlib\n", "hashlib.new('sha256')"),
    ("import yaml\n", "yaml.load(f, Loader=yaml.CSafeLoader)"),
    ("def f(random):\n    ", "token = random.choice(x)"),
    ("", "cur.execute('SELECT a FROM t WHERE b = %s', (x,))"),
    ("", "cur.execute('SELECT a FROM t WHERE b IN (%s)' % ', '.join('?' * len(x)), x)"),
    ("", "cur.execute('SELECT a FROM t LIMIT %d' % n)"),
    ("", "log.info('select one from %s' % x)"),
    ("", "executor.submit(work, x)"),
    ("", "# os.system(command) is called later"),
    ('def f():\n    """Text.\n', "    >>> eval(text)\n"),
    ("import ssl\n", "if mode == ssl.CERT_NONE: pass"),
]


@pytest.mark.parametrize(("prefix", "suggestion"), FINE)
def test_what_only_looks_like_it_is_left_alone(prefix: str, suggestion: str) -> None:
    assert found(prefix, suggestion, '\n    """\n' if '"""' in prefix else "\n") == []


def test_a_listing_with_line_numbers_is_text() -> None:
    assert found("It says:\n  4  import yaml\n  5  y = yaml.", "load(a)") == []
    assert found("import yaml\nx = [\n  5 or yaml.", "load(a)") != []


@pytest.mark.parametrize("suggestion", ["random.randint(1, 6)", "random.shuffle(cards)"])
def test_a_random_number_that_nothing_calls_secret_is_a_hint(suggestion: str) -> None:
    assert [(one.rule, one.severity) for one in found("import random\n", suggestion)] == [
        ("S311", "low")
    ]


REPLACED = [
    ("import hashlib\n", "hashlib.md5(x)", "hashlib.sha256(x)"),
    ("import hashlib\n", "hashlib.new('sha1')", "hashlib.new('sha256')"),
    ("import hashlib\nhashlib.s", "ha1(x)", "ha256(x)"),
    ("import hashlib\nhashlib.m", "d5(x)", None),
    ("from hashlib import md5\n", "md5(x)", None),
    ("import hashlib\n", "md5_digest = hashlib.md5(x)", None),
    (
        "import hashlib\ndef etag_md5(x):\n    return ",
        "hashlib.md5(x)",
        "hashlib.md5(x, usedforsecurity=False)",
    ),
    (
        "import hashlib\ndef etag_md5():\n    return ",
        "hashlib.md5('é'.encode())",
        "hashlib.md5('é'.encode(), usedforsecurity=False)",
    ),
    (
        "import hashlib\ndef checksum(x):\n    return hashlib.m",
        "d5()",
        "d5(usedforsecurity=False)",
    ),
    (
        "from hashlib import md5\ndef checksum(x):\n    return ",
        "md5(x)",
        "md5(x, usedforsecurity=False)",
    ),
    ("import hashlib\ndef checksum(password):\n    return hashlib.m", "d5(x)", None),
    ("import hashlib\ndef checksum(x):\n    return ", "hashlib.md5(x)", "hashlib.sha256(x)"),
    ("import hashlib\ndef checksum(x):\n    h = hashlib.m", "d5(", "d5(usedforsecurity=False)"),
    (
        "import hashlib\ndef upload(signer):\n    x = open(path, 'rb').read()\n    md5_digest = ",
        "hashlib.md5(x)",
        "hashlib.md5(x, usedforsecurity=False)",
    ),
    (
        "import hashlib\ndef _md5(path):\n    with open(path, 'rb') as f:\n        return ",
        "hashlib.md5(f.read())",
        "hashlib.md5(f.read(), usedforsecurity=False)",
    ),
    (
        "import hashlib\ndef md5(path):\n    secret = open(path, 'rb').read()\n    return ",
        "hashlib.md5(secret)",
        None,
    ),
    ("import hashlib\ndef sha_utf8(x):\n    return ", "hashlib.sha1(x)", None),
    ("import hashlib\ndef sha_utf8(x):\n    return ", "hashlib.md5(x)", None),
    ("import hashlib\nif kind == Hash.SHA_1:\n    h = ", "hashlib.md5(x)", None),
    ("import hashlib\nif kind == 'sha512':\n    h = ", "hashlib.md5(x)", "hashlib.sha256(x)"),
    ("import hashlib\ndef sha256(x):\n    return ", "hashlib.sha1(x)", "hashlib.sha256(x)"),
    ("import yaml\n", "yaml.load(f)", "yaml.safe_load(f)"),
    ("import yaml\n", "yaml.load(f, Loader=yaml.Loader)", "yaml.load(f, Loader=yaml.SafeLoader)"),
    ("import requests\n", "requests.get(u, verify=False)", "requests.get(u, verify=True)"),
    ("import ast\n", "eval(text)", "ast.literal_eval(text)"),
    ("", "eval(text)", None),
    ("import ast\n", "eval('f(%s)' % x)", None),
    ("import secrets, random\n", "token = random.choice(a)", "token = secrets.choice(a)"),
    ("import random\n", "token = random.choice(a)", "token = random.SystemRandom().choice(a)"),
    ("from random import choice\n", "token = choice(a)", None),
    ("import ssl\n", "ssl._create_unverified_context()", "ssl.create_default_context()"),
    ("import tempfile\n", "tempfile.mktemp()", None),  # deprecated too, and replaced there
    ("import tempfile\nx = tempfile.mk", "temp(a, b(c)", "dtemp() + '/file'"),
    ("import subprocess\n", "subprocess.run(c, shell=True)", None),
    (
        "import subprocess\n",
        "subprocess.run([a, b], shell=True)",
        "subprocess.run([a, b], shell=False)",
    ),
]


@pytest.mark.parametrize(("prefix", "suggestion", "expected"), REPLACED)
def test_a_replacement_is_a_safe_call_that_the_imports_allow(
    prefix: str, suggestion: str, expected: str | None
) -> None:
    text = spliced(suggestion, found(prefix, suggestion))

    assert text == expected
    if text is not None:
        assert found(prefix, text) == []


DUMPED = "import pickle\n\ndef f(a, sock, path):\n    data = pickle.dumps(a)\n"
LOOP = "    for proto in range(pickle.HIGHEST_PROTOCOL + 1):\n        "
ROUND = "loads(pickle.dumps(a))"
READ_BACK = [
    (f"{DUMPED}    b = pickle.", "load(a, 1)", "loads(data)"),
    (f"{DUMPED}    b = pickle.lo", "ad(a)", "ads(data)"),
    (f"{DUMPED}    more = pickle.dumps(path)\n    new_data = pickle.", "load(x)", "loads(data)"),
    (f"{DUMPED}    data = sock.recv(9)\n    b = pickle.", "loads(data)", None),
    (f"{DUMPED}    more = pickle.dumps(path)\n    check(1, pickle.", "load(x)", "loads(data)"),
    (f"{DUMPED}    with open(path) as file:\n        b = pickle.", "load(file)", None),
    (f"{DUMPED}\ndef g(x):\n    b = pickle.", "load(x)", None),
    (
        "import pickle\ndef f(path, a):\n    g = open(path, 'wb')\n    pickle.dump((a, 1), g)\n"
        "    with open(path, 'rb') as g:\n        b = pickle.",
        "load(a)",
        "load(g)",
    ),
    ("import pickle\ndef test_pickling():\n    a = A()\n    b = pickle.", "load(a)", ROUND),
    ("import pickle\ndef test_pickling(a):\n    b = pickle.", "load(a, 2)", ROUND),
    (
        "import pickle\ndef test_pickling():\n    a = A()\n    c = 1\n    a2 = pickle.",
        "load(c)",
        ROUND,
    ),
    (
        "import pickle\ndef test_pickling(path):\n    a = open(path)\n    b = pickle.",
        "load(a)",
        None,
    ),
    ("import pickle\ndef test_reading(a):\n    b = pickle.", "load(a)", None),
    (
        f"import pickle\ndef f(a):\n    c = A(a)\n{LOOP}b = pickle.",
        "load(x)",
        "loads(pickle.dumps(c, proto))",
    ),
    ("import pickle\na = A()\nb = pickle.", "load(a)", None),
]


@pytest.mark.parametrize(("prefix", "suggestion", "expected"), READ_BACK)
def test_what_should_be_read_is_what_the_function_has_pickled_itself(
    prefix: str, suggestion: str, expected: str | None
) -> None:
    findings = found(prefix, suggestion)

    assert [one.rule for one in findings] == ["S301"]
    assert spliced(suggestion, findings) == expected
    if expected is not None:
        assert found(prefix, expected) == []


@pytest.mark.parametrize("typed", ["b = pickle.loads(", "b = hashlib.md5("])
def test_a_name_that_the_user_has_typed_is_not_blamed_on_the_argument(typed: str) -> None:
    prefix = f"import hashlib, pickle\ndef checksum(a):\n    data = pickle.dumps(a)\n    {typed}"

    assert found(prefix, "a)") == []


def test_what_is_compared_below_is_what_comes_back() -> None:
    prefix = "import pickle\ndef test_pickling():\n    a = A()\n    c = a.c\n    b = pickle."

    for below in ("assert a == b", "self.assertEqual(b, a)", "assert a.x == b.x"):
        assert spliced("load(c)", found(prefix, "load(c)", f"\n    {below}\n")) == ROUND


@pytest.mark.parametrize(
    ("below", "expected"),
    [("self.assertEqual(a, b)", ROUND), ("assert b.x == a.x", ROUND), ("print(a, b)", None)],
)
def test_what_a_test_compares_with_an_object_comes_from_it(
    below: str, expected: str | None
) -> None:
    prefix = "import pickle\ndef helper(self, a):\n    b = pickle."

    assert spliced("load(f)", found(prefix, "load(f)", f"\n    {below}\n")) == expected


def test_what_is_used_alike_in_a_test_of_pickling_is_what_comes_back() -> None:
    above = "    a, _ = made()\n    x = a.state()\n"
    prefix = f"import pickle\ndef test_pickling(self):\n{above}    b = pickle."

    assert spliced("load(f)", found(prefix, "load(f)", "\n    y = b.state()\n")) == ROUND


def test_a_call_that_is_left_open_is_replaced_to_its_end() -> None:
    prefix = "import pickle\ndef test_pickling(a):\n    b = pickle."
    below = "\n    self.assertEqual(b, a)\n"

    assert spliced("load(a.x, a.y,", found(prefix, "load(a.x, a.y,", below)) == ROUND


def test_sql_that_was_built_above_is_blamed_where_it_is_run() -> None:
    prefix = (
        "def f(db, name):\n    q = 'SELECT a FROM t WHERE b = '\n    q += name\n    log(q)\n    "
    )
    suggestion = "rows = db.execute(q).fetchall()"

    assert blamed(found(prefix, suggestion), suggestion) == [("S608", "CWE-89", "q")]


def test_text_that_another_function_built_is_not_taken_for_this_one() -> None:
    prefix = "def f(name):\n    q = 'SELECT a FROM ' + name\n\ndef g(db, q):\n    "

    assert found(prefix, "db.execute(q)") == []


def test_a_harmless_command_for_a_shell_is_a_minor_finding() -> None:
    [constant] = found("import os\n", "os.system('clear')")
    [open_one] = found("import os\n", "os.system(command)")

    assert (constant.severity, open_one.severity) == ("low", "high")


@pytest.mark.parametrize(
    ("prefix", "suggestion", "rules"),
    [
        ("        print 'cut'\n        ", "os.system(c)", ["S605"]),
        ("end of a docstring.\n    '''\n    x = 1\n    ", "y = eval(text)", ["S307"]),
        ("def f(:\n  x =\n", "hashlib.md5(x", ["S324"]),
        ("x = foo(\n    ", "eval(a), [", ["S307"]),
        ("import os\nname = 'é'; ", "x = 'ü'; os.system(c)", ["S605"]),
    ],
)
def test_broken_surroundings_do_not_hide_what_is_wrong(
    prefix: str, suggestion: str, rules: list[str]
) -> None:
    assert [one.rule for one in found(prefix, suggestion)] == rules


def test_what_the_user_wrote_is_not_blamed() -> None:
    assert found("import pickle\nx = pickle.load(", "file)", "\ny = eval(x)\n") == []


def test_an_argument_that_makes_the_users_call_wrong_is_blamed() -> None:
    suggestion = "'rm ' + path)"

    assert blamed(found("import os\nos.system(", suggestion), suggestion) == [
        ("S605", "CWE-78", "'rm ' + path")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "(" * 100_000 + "eval(x)",
        "eval(" * 20_000,
        "x = x + x\n" * 2_000 + "eval(x)\n" * 2_000,
        "os.system(" + "a + " * 20_000 + "b)",
        '"""\'' * 20_000 + "eval(x)",
        "'select " * 20_000 + "from' % x",
        "eval(x)\x00\x0b\u2028\ud800",
    ],
    ids=["brackets", "calls", "names", "sum", "quotes", "sql", "controls"],
)
def test_hostile_text_takes_bounded_time(text: str) -> None:
    began = time.thread_time()

    with suppress(OutOfTime):
        python_findings(Case(text, text, text, "python"), began + 0.25)

    assert time.thread_time() - began < 3


def test_every_row_of_the_table_can_be_understood() -> None:
    text = files("server.guard").joinpath("python_calls.toml").read_text(encoding="utf-8")

    for rule, row in tomllib.loads(text).items():
        assert row["when"] in CONDITIONS, rule
        assert row["cwe"].startswith("CWE-") and row["severity"] in ("low", "medium", "high"), rule
        assert row["message"].endswith(".") and set(row.get("last", {})) <= set(row["names"]), rule


def test_imports_are_read_whatever_surrounds_them() -> None:
    table = import_table(
        "import os, sys as system\nfrom a.b import (c,  # one\n    d as e)\ntry:\n"
        "    import cPickle as pickle\nx = (\nfrom os import *\n"
    )

    assert table.names == {
        "os": "os",
        "system": "sys",
        "c": "a.b.c",
        "e": "a.b.d",
        "pickle": "cPickle",
    }
    assert table.stars == ("os",)
    assert table.paths("pickle.loads", frozenset()) == ["pickle.loads"]


def test_what_is_found_does_not_change_with_the_addresses_of_a_tree() -> None:
    above, below = '    command = "ls"\n' * 3, "    command = x\n" * 20
    severities = {
        one.severity
        for number in range(30)  # each text a tree of its own
        for one in found(
            f"import subprocess\ndef f{number}(x):\n{above}    ",
            "subprocess.run(command, shell=True)",
            f"\n{below}",
        )
    }

    assert severities == {"low"}


def test_an_import_that_the_cursor_is_in_is_read_whole() -> None:
    prefix = "import os\nfrom pickle import (\n    dumps,\n    "

    assert imports_around(prefix, "loads as f,\n)\n").names == {
        "os": "os",
        "dumps": "pickle.dumps",
        "f": "pickle.loads",
    }
