"""Insecure Python that a call, an attribute or an assignment shows, by a table of what is wrong.

Works on an error-tolerant tree of the suggestion and a little around it, so it needs neither a file
that parses nor the file's imports, though it uses the imports that it sees.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from keyword import iskeyword

from tree_sitter import Node

from server.guard.built_sql import RUNS as SQL_FUNCTIONS
from server.guard.built_sql import run_sql, written_sql
from server.guard.call_conditions import is_false, literal_text, shell
from server.guard.digest_use import is_named
from server.guard.errors import OutOfTime
from server.guard.finding import Case, Finding, Severity
from server.guard.python_call import Blame, Call, at, at_keyword, taken_apart
from server.guard.python_calls import CallRule, call_rules, calls_by_name
from server.guard.python_scene import Scene, scenes
from server.guard.python_trigger import worth_parsing
from server.guard.python_values import named_values, switched_off
from server.guard.taint import made
from server.guard.weak_random import MODULES, guessable, unguessable
from server.guard.weak_random import PLAIN as RANDOM_FUNCTIONS

MOST_NUMBER_CHARS = 200
NODES_BETWEEN_CHECKS = 8
"""Of the time: asking for it costs as much as many a node."""
_CERTIFICATE = re.compile(
    r"(?i)(?:get|post|put|patch|delete|head|options|request|send|urlopen|\w*client|\w*session)"
)
_DIGESTS = re.compile(r"(?i)(?:md[245]|sha-?1)")
_HASH_BY_NAME = frozenset(
    {"hashlib.new", "hashlib.file_digest", "hashlib.pbkdf2_hmac", "hmac.new"}
    | {"hmac.digest", "hmac.HMAC", "hashlib.hmac.new"}
)
_LISTED = re.compile(r"[ \t]*\d+[ \t]+([A-Za-z_]\w*)[ \t]*[=.(]")
_SWITCHES = re.compile(r"\bshell[ \t]*=|\bverify[ \t]*=")
_RANDOM = "This number can be guessed, and {} should not be; use the secrets module."


def python_findings(case: Case, deadline: float) -> list[Finding]:
    """Every insecure place; raises OutOfTime once the thread's clock is at `deadline`."""
    if not worth_parsing(case) or _is_listing(case.prefix[case.prefix.rfind("\n") + 1 :]):
        return []
    found = dict[tuple[int, int, str], Finding]()
    for scene in scenes(case):
        for one in _seen(scene, deadline):
            found.setdefault((one.start, one.end, one.rule), one)
    return list(found.values())


def _is_listing(line: str) -> bool:
    """Whether a line begins with its number, as where a text shows code: `5   y = yaml.`"""
    match = _LISTED.match(line[:MOST_NUMBER_CHARS])
    return match is not None and not iskeyword(match[1])


def _seen(scene: Scene, deadline: float) -> Iterator[Finding]:
    for count, node in enumerate(scene.nodes()):
        if count % NODES_BETWEEN_CHECKS == 0 and time.thread_time() > deadline:
            raise OutOfTime("the security check ran out of time: the suggestion is too odd")
        scene.steps = 0
        if node.type == "call":
            yield from _calls(node, scene)
        elif node.type == "exec_statement":
            yield from _exec_statement(node, scene)
        else:
            look = named_values if node.type == "attribute" else switched_off
            for value, blame in look(node, scene):
                yield from _finding(
                    scene, [blame], value.rule, value.cwe, value.severity, value.message
                )
    scene.steps = 0
    for node in written_sql(scene):
        yield from _sql(scene, at(node))


def _calls(node: Node, scene: Scene) -> Iterator[Finding]:
    """What is wrong with a call."""
    function = node.child_by_field_name("function")
    if function is None:
        return
    last = scene.string(function.child_by_field_name("attribute") or function)
    is_named = last in _lasts() or last in scene.imports.names
    if not is_named and not _SWITCHES.search(scene.text, node.start_byte, node.end_byte):
        return
    call = taken_apart(node, scene)
    if call is None:
        return
    is_known = False
    for path in scene.paths(function, _modules()) if is_named else ():
        for rule in calls_by_name().get(path, ()):
            for found in _by_table(rule, call, path, scene):
                is_known = True
                yield found
        yield from _by_digest(call, path, scene)
        yield from _by_random(call, path, scene)
    if not is_known:
        yield from _by_shape(call, last, scene)


def _by_table(rule: CallRule, call: Call, path: str, scene: Scene) -> Iterator[Finding]:
    blames = list(rule.condition(call, scene))
    if not blames:
        return
    if rule.keyword is not None:
        blames = [replace(blames[0], replacement=rule.keyword)]
    elif path in rule.last and blames[0].replacement is None:
        is_written = scene.string(call.last) == path.rsplit(".", 1)[1]
        if is_written and call.function.type == "attribute" and not is_named(call, scene):
            blames = [at(call.last, rule.last[path])]
    elif rule.rule == "S307" and call.function.type == "identifier":
        blames = [_literal_eval(call, blames[0], scene), *blames[1:]]
    yield from _finding(scene, blames, rule.rule, rule.cwe, rule.severity, rule.message)


def _literal_eval(call: Call, blame: Blame, scene: Scene) -> Blame:
    """ast.literal_eval reads data, not code, so only where the text is not put together here."""
    text = call.argument(0)
    is_alone = len(call.positional) == 1 and not call.keywords and text is not None
    is_imported = scene.imports.names.get("ast") == "ast"
    if is_alone and is_imported and made(text, scene) == "open":
        return replace(blame, replacement="ast.literal_eval")
    return blame


def _by_digest(call: Call, path: str, scene: Scene) -> Iterator[Finding]:
    """A hash that is chosen by name: `hashlib.new("md5")`."""
    if path not in _HASH_BY_NAME or is_false(call.keywords.get("usedforsecurity"), scene):
        return
    for one in (*call.positional, *call.keywords.values()):
        text = literal_text(one, scene)
        if text is not None and _DIGESTS.fullmatch(text):
            quote = scene.string(one)[0]
            severity: Severity = "low" if "hmac" in path else "medium"
            message = f"{text} is broken for security; use sha256."
            blame = at(one, f"{quote}sha256{quote}")
            yield from _finding(scene, [blame], "S324", "CWE-328", severity, message)


def _by_random(call: Call, path: str, scene: Scene) -> Iterator[Finding]:
    found = guessable(call, path, scene)
    if found is not None:
        blame = at(call.function, unguessable(call, path, scene))
        message = _RANDOM.format(found.reason)
        yield from _finding(scene, [blame], "S311", "CWE-338", found.severity, message)


def _by_shape(call: Call, last: str, scene: Scene) -> Iterator[Finding]:
    """What is wrong whoever the call goes to."""
    blames = shell(call, scene)
    if blames:
        message = "A shell runs this command; pass a list of arguments without shell=True."
        yield from _finding(scene, blames, "S604", "CWE-78", "high", message)
    verify = call.keywords.get("verify")
    if is_false(verify, scene) and verify is not None and _CERTIFICATE.fullmatch(last):
        message = "The certificate is not checked, so anyone can answer; leave verify on."
        blame = at_keyword(verify, "verify=True")
        yield from _finding(scene, [blame], "S501", "CWE-295", "high", message)
    query = run_sql(call, scene)
    if query is not None:
        yield from _sql(scene, at(query))
    command = call.argument(0, "command", "cmd")
    if last in ("exec_command", "subprocess_shell") and made(command, scene) == "built":
        message = "A shell runs this text with the values in it; quote each with shlex.quote."
        blames = [at(call.last), *([at(command)] if command is not None else [])]
        yield from _finding(scene, blames, "S601", "CWE-78", "medium", message)


def _exec_statement(node: Node, scene: Scene) -> Iterator[Finding]:
    code = node.child_by_field_name("code")
    if code is not None and made(code, scene) != "constant":
        rule = next(one for one in call_rules() if one.rule == "S102")
        start = node.start_byte
        blames = [Blame(start, start + len("exec")), at(code)]
        yield from _finding(scene, blames, rule.rule, rule.cwe, rule.severity, rule.message)


def _sql(scene: Scene, blame: Blame) -> Iterator[Finding]:
    message = "Values are put into this SQL as text; pass them as parameters."
    yield from _finding(scene, [blame], "S608", "CWE-89", "medium", message)


def _finding(
    scene: Scene, blames: Sequence[Blame], rule: str, cwe: str, severity: Severity, message: str
) -> Iterator[Finding]:
    """A finding at the first place inside the suggestion, else at what of one is inside."""
    length = scene.end - scene.start
    places = [(one.start - scene.start, one.end - scene.start, one) for one in blames]
    for start, end, one in places:
        if start >= 0 and end <= length:
            level = "low" if one.is_minor else severity
            yield Finding("insecure", rule, cwe, start, end, message, one.replacement, level)
            return
    for start, end, one in places:
        written = one.replacement if end <= length else None
        typed = scene.text[one.start : scene.start]
        rest = written[len(typed) :] if written and written.startswith(typed) else None
        start, end = max(0, start), min(end, length)
        while rest is None and start < end and scene.text[scene.start + start].isspace():
            start += 1
        if start < end:
            level = "low" if one.is_minor else severity
            yield Finding("insecure", rule, cwe, start, end, message, rest, level)
            return


@cache
def _modules() -> frozenset[str]:
    """What may be a module where no import can be seen."""
    names = {*calls_by_name(), *_HASH_BY_NAME, *(f"{one}.x" for one in MODULES)}
    return frozenset(name.split(".", 1)[0] for name in names if "." in name)


@cache
def _lasts() -> frozenset[str]:
    """The last parts of all names that some rule knows."""
    names = {*calls_by_name(), *_HASH_BY_NAME, *RANDOM_FUNCTIONS, *SQL_FUNCTIONS}
    return frozenset(
        {name.rsplit(".", 1)[-1] for name in names} | {"exec_command", "subprocess_shell"}
    )
