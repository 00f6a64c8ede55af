"""ruff is asked only where a look at the words says so: that look must miss nothing."""

from __future__ import annotations

import json
import random
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruff.__main__ import find_ruff_bin  # pyright: ignore[reportMissingTypeStubs]

from server.guard.finding import Case
from server.guard.insecure import InsecureDetector
from server.guard.patterns import hint_codes
from server.guard.ruff_server import BANDITS_OWN
from server.guard.ruff_trigger import ruff_may_see

FAR = "# as far above as the imports of a real file\n" * 10
FILES = 300
SEED = 7
ASYMMETRIC = "from cryptography.hazmat.primitives.asymmetric"
# By rule: what stands at the top of the file, and the suggestion.
WRONG = {
    "S103": [
        ("import os", "os.chmod(path, 0o777)"),
        ("import os as o", "o . chmod(mode=0o777, path=path)"),
        ("from os import chmod", "chmod(\n    path,\n    511,\n)"),
        ("from os import chmod as allow", "allow(path, 0o777)"),
        ("import os", "from os import (\n    chmod as allow,\n)\nallow(path, 0o777)"),
    ],
    "S104": [
        ("", "sock.bind(('0.0.0.0', 80))"),
        ("", 'run(port=80, host="0.0.0.0")'),
        ("", "host = (\n    f'0.0.0.0'\n)"),
    ],
    "S108": [
        ("", "open('/tmp/x')"),
        ("", "open(f'/tmp/{name}')"),
        ("", 'open(mode="w", file=r"/var/tmp/x")'),
        ("", "path = '' '/dev/shm/x'"),
        ("", 'path = """/tmp/x"""'),
    ],
    "S201": [
        ("from flask import Flask\napp = Flask(__name__)", "app.run(debug=True)"),
        ("from flask import Flask as F\na = F('x')", "a.run(debug  =  True, port=1)"),
        ("import flask as f\na = f.Flask('x')", "a.run(\n    host=host,\n    debug=\n    True,\n)"),
    ],
    "S202": [
        ("import tarfile", "tarfile.open(path).extractall()"),
        ("from tarfile import open as o", "o(path).extractall(members=some, path=there)"),
        ("import tarfile as t", "with t.open(path) as file:\n    file.extractall\\\n    (there)"),
    ],
    "S308": [
        ("from django.utils.safestring import mark_safe", "mark_safe(text)"),
        ("from django.utils.safestring import mark_safe as safe", "safe(\n    text\n)"),
        ("from django.utils.html import mark_safe as safe", "safe(s=text)"),
        ("import django.utils.safestring as s", "s.mark_safe(text)"),
        ("from django.utils.safestring import mark_safe as m", "@m\ndef f(): return text"),
    ],
    "S312": [
        ("import telnetlib", "telnetlib.Telnet(host)"),
        ("import telnetlib as t", "t.Telnet(port=23, host=host)"),
        ("from telnetlib import Telnet", "with Telnet(host) as link: pass"),
        ("from telnetlib import Telnet as T", "T(\n    host\n)"),
    ],
    "S321": [
        ("import ftplib", "ftplib.FTP(host)"),
        ("import ftplib as f", "f.FTP(user=user, host=host)"),
        ("from ftplib import FTP as F", "F(host)"),
        ("from ftplib import (\n    FTP_TLS as Safe,\n)", "Safe(\n    host\n)"),
    ],
    "S503": [
        ("import ssl", "def f(version=ssl.PROTOCOL_SSLv2): pass"),
        ("import ssl as s", "async def f(a, *, version=s.PROTOCOL_TLSv1): pass"),
        ("from ssl import PROTOCOL_SSLv3", "def f(version=PROTOCOL_SSLv3): pass"),
        ("from OpenSSL import SSL", "def f(\n    method=SSL.SSLv2_METHOD,\n): pass"),
        ("import OpenSSL as o", "def f(method=o.SSL.TLSv1_METHOD): pass"),
        ("from OpenSSL.SSL import SSLv23_METHOD", "def f(method=SSLv23_METHOD): pass"),
    ],
    "S504": [
        ("import ssl", "ssl.wrap_socket(sock)"),
        ("import ssl as s", "s.wrap_socket(\n    sock=sock,\n)"),
        ("from ssl import wrap_socket as wrap", "wrap(sock)"),
    ],
    "S505": [
        (f"{ASYMMETRIC} import rsa", "rsa.generate_private_key(65537, 1024)"),
        (f"{ASYMMETRIC} import dsa as d", "d.generate_private_key(key_size=1024)"),
        (f"{ASYMMETRIC}.rsa import generate_private_key as new", "new(key_size=512, e=3)"),
        (f"{ASYMMETRIC} import ec", "ec.generate_private_key(\n    curve=ec.SECP192R1,\n)"),
        ("from Crypto.PublicKey import RSA", "RSA.generate(1024)"),
        ("from Crypto.PublicKey import DSA as D", "D.generate(bits=1024)"),
        ("from Cryptodome.PublicKey.RSA import generate", "generate(1024)"),
        ("from Cryptodome.PublicKey.RSA import generate as new", "new(\n    e=3, bits=1024)"),
    ],
    "S508": [
        ("import pysnmp.hlapi as h", "h.CommunityData(mpModel=0, name='p')"),
        ("from pysnmp.hlapi import CommunityData as C", "C('p', mpModel=0)"),
        ("from pysnmp.hlapi.v1arch import CommunityData", "CommunityData(\n 'p',\n mpModel=1)"),
    ],
    "S509": [
        ("import pysnmp.hlapi as h", "h.UsmUserData(userName=name)"),
        ("from pysnmp.hlapi import UsmUserData as U", "U(name, 'key')"),
        ("from pysnmp.hlapi.v3arch import UsmUserData", "UsmUserData(\n    name,\n)"),
    ],
    "S610": [
        ("from a import User", "User.objects.filter(x=1).extra(where=[text])"),
        ("", "found = users.\\\n    extra (tables=['%s' % x], select={'a': x})"),
        ("", "found.extra(\n    where=text,\n)"),
    ],
    "S611": [
        ("from django.db.models.expressions import RawSQL", "RawSQL(query, [])"),
        ("from django.db.models.expressions import RawSQL as R", "R(params=[], sql=query)"),
        ("from django.db.models import expressions as e", "e.RawSQL(\n    query,\n    [])"),
    ],
    "S612": [
        ("import logging.config", "logging.config.listen(9999)"),
        ("import logging.config as c", "c.listen(port=9999)"),
        ("from logging import config", "thread = config.listen (\n    9999)"),
        ("from logging.config import listen as hear", "thread = hear(9999)"),
    ],
    "S701": [
        ("import jinja2", "jinja2.Environment()"),
        ("import jinja2 as j", "j.Environment(\n    loader=loader,\n    autoescape=False,\n)"),
        ("from jinja2 import Environment", "Environment (autoescape=False, loader=loader)"),
        ("from jinja2 import Environment as E", "E(loader=loader)"),
    ],
    "S702": [
        ("import mako.template", "mako.template.Template(text)"),
        ("import mako.template as m", "m.Template(filename=path)"),
        ("from mako import template", "template.Template(\n    text)"),
        ("from mako.template import Template", "Template(text)"),
        ("from mako.template import Template as T", "T(text=text)"),
    ],
}


def test_every_rule_that_is_left_to_ruff_has_examples() -> None:
    said = json.loads(_ruff("rule", "--all", "--output-format", "json"))
    rules = {one["code"] for one in said if one["linter"] == "flake8-bandit"}

    assert set(WRONG) == {one for one in rules if one} - set(hint_codes())


@pytest.mark.parametrize(
    ("rule", "top", "suggestion"),
    [(rule, *example) for rule, examples in WRONG.items() for example in examples],
)
def test_each_spelling_of_what_a_rule_is_about_is_found(
    detector: InsecureDetector, rule: str, top: str, suggestion: str
) -> None:
    found = detector.find(Case(f"{top}\n{FAR}", suggestion, "\n", "python"))

    assert rule in [one.rule for one in found]


def test_in_real_files_ruff_sees_nothing_where_it_is_not_asked(detector: InsecureDetector) -> None:
    source = random.Random(SEED)
    every = sorted(Path(sysconfig.get_path("stdlib")).glob("**/*.py"))
    files = [one for one in every if "site-packages" not in one.parts]
    cases = list(_cases(source.sample(files, FILES), source))

    missed = [one for one in cases if not ruff_may_see(one) and detector.ruff_findings(one)]
    seen = sum(bool(detector.ruff_findings(one)) for one in cases if ruff_may_see(one))

    assert missed == []
    assert seen > 20  # else the sample says nothing


def _cases(paths: list[Path], source: random.Random) -> Iterator[Case]:
    """The suggestion is what ruff blames, from its line's start and from inside, or any lines."""
    ignored = ",".join(one for one in hint_codes() if one not in BANDITS_OWN)
    options = ("--isolated", "--no-cache", "--exit-zero", "--output-format", "json")
    names = map(str, paths)
    said = json.loads(_ruff("check", *options, "--select", "S", "--ignore", ignored, *names))
    for path in paths:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
        for one in said:
            first, last = one["location"]["row"] - 1, one["end_location"]["row"]
            if one["filename"] == str(path) and one["code"] is not None:
                yield _case(lines, first, 0, last)
                yield _case(lines, first, one["location"]["column"] + 2, last)
        if lines:
            first = source.randrange(len(lines))
            yield _case(lines, first, source.randrange(len(lines[first])), first + 20)


def _case(lines: list[str], first: int, column: int, last: int) -> Case:
    """A file whose lines up to `last` are suggested where the cursor is in the line `first`."""
    prefix, suffix = "".join(lines[:first]) + lines[first][:column], "".join(lines[last:])
    return Case(prefix, lines[first][column:] + "".join(lines[first + 1 : last]), suffix, "python")


def _ruff(*arguments: str) -> str:
    return subprocess.run(
        [find_ruff_bin(), *arguments], capture_output=True, text=True, check=True
    ).stdout
