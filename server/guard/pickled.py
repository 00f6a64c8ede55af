"""Reading back what the same function has pickled: whether a call does, and how it would.

Pickled data is read safely where it was written, as every test of pickling does it. A call that
reads something else there is most often meant to do the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from server.guard.python_call import Call
from server.guard.python_function import Function, function_around, target_of
from server.guard.python_scene import Scene

NEAR_CHARS = 160
_READS = frozenset({"load", "loads"})
_BOUND = re.compile(r"(?m)^[ \t]*(?:(\w+)(?:,[ \t]*\w+)*[ \t]+=[ \t]+(?!=)|for (\w+) in )([^\n]*)")
_OPENED = re.compile(r"\bas (\w+)|(?m:^)[ \t]*(\w+)[ \t]+=[ \t]+[\w.]*(?:[oO]pen|BytesIO)\(")
_NO_OBJECT = re.compile(r"[bB]?[rR]?[\"']|range\(|[^(]*\b(?:[oO]pen|BytesIO|read\w*|recv|dumps)\(")
_PROTOCOL = re.compile(r"\bfor (\w+) in range\([^\n]*HIGHEST_PROTOCOL")
_TESTS_PICKLING = re.compile(r"(?i)test\w*(?:pickl|serial|round_?trip)")
_NAME = re.compile(r"(?:self\.)?[A-Za-z_]\w*")
_OPENS = re.compile(r"(?<![\w.])(?:(?:io|gzip|bz2|lzma)\.)?open\(")
_BRACKETS = r"(?:[^()\[\]\n]|\([^()\n]*\)|\[[^\[\]\n]*\])"


@dataclass(frozen=True)
class _Written:
    """A place to which a function has pickled something."""

    name: str
    is_file: bool


def is_own(call: Call, data: str, scene: Scene) -> bool:
    """Whether `data` is what the function around the call has pickled itself."""
    here = function_around(scene.above(call.node))
    module = scene.string(call.function).rpartition(".")[0]
    return here is not None and data in {one.name for one in _written(here, module)}


def read_back(call: Call, scene: Scene) -> str | None:
    """What to write from the last part of the called name on, so that it reads its own data.

    None where the function pickles nothing, and is no test of what comes back either.
    """
    module = scene.string(call.function).rpartition(".")[0]
    above = scene.above(call.node)
    here = function_around(above)
    if here is None or not module or scene.string(call.last) not in _READS:
        return None
    data = call.argument(0, "file", "data")
    given = scene.string(data) if data is not None else ""
    target = target_of(above)
    written = _written(here, module)
    if not written:
        return _there_and_back(here, module, given, target, above, scene.below[:NEAR_CHARS])
    named = [one for one in written if not one.is_file and one.name in target]
    unread = [one for one in written if f".loads({one.name})" not in here.body]
    chosen = named[-1] if named else (unread[0] if len(unread) > 1 and not target else written[-1])
    if _is_opened(here, given) and not chosen.is_file:
        return None
    return f"{'load' if chosen.is_file else 'loads'}({chosen.name})"


def _there_and_back(
    here: Function, module: str, given: str, target: str, above: str, below: str
) -> str | None:
    """Where pickling is tested an object is pickled and read: so it is named, loops, or asserts."""
    loop = _PROTOCOL.search(here.body)
    protocol = loop[1] if loop is not None else None
    objects = [one for one in _objects(here) if one not in (target, protocol)]
    parameters = re.findall(r"(?<![*\w])(?!self\b)\w+", here.parameters)
    compared = _compared(target, below)
    alike = [one for one in (*parameters, *objects) if one in compared]
    if protocol is None and not _TESTS_PICKLING.match(here.name) and not alike:
        return None
    alike = alike or [
        one
        for one in objects
        if _stem(one) in (_stem(target), target.removeprefix("new_"))
        or _is_used_alike(one, here.body, target, below)
    ]
    is_ours = given.startswith("self.") and f"{given} =" in above
    if alike:
        value = alike[-1]
    elif _NAME.fullmatch(given) and (given in (*objects, *parameters) or is_ours):
        value = given
    elif objects and protocol is not None and not _is_opened(here, given):
        value = objects[-1]
    else:
        return None
    return f"loads({module}.dumps({value}{f', {protocol}' if protocol else ''}))"


def _compared(target: str, below: str) -> set[str]:
    """What the lines below assert of `target`."""
    pattern = (
        rf"\bassert[^\n]*?(?:\b(\w+)[\w.]*(?: ==|,) {target}\b|\b{target}[\w.]*(?: ==|,) (\w+))"
    )
    return {one[1] or one[2] for one in re.finditer(pattern, below)} if target else set()


def _is_used_alike(name: str, body: str, target: str, below: str) -> bool:
    """Whether a method that is called of `target` below has been called of `name` above."""
    methods = re.findall(rf"\b{target}\.(\w+)\(", below) if target else ()
    return any(f" {name}.{method}(" in body for method in methods)


def _written(here: Function, module: str) -> list[_Written]:
    """What still holds pickled data where `here` ends, first to last."""
    pattern = re.compile(
        rf"(?m)^[ \t]*(\w+)[ \t]*=[ \t]*{re.escape(module)}\.dumps\([ \t]*[^)\s]"
        rf"|\b{re.escape(module)}\.dump\({_BRACKETS}{{0,200}}?,[ \t]*(\w+)[ \t]*[,)]"
    )
    found = list[_Written]()
    for match in pattern.finditer(here.body):
        one = _Written(match[1] or match[2], bool(match[2]))
        lines = _bindings(one.name, here.body[match.end() :])
        if not lines or (one.is_file and all(map(_OPENS.search, lines))):
            found.append(one)
    return found


def _bindings(name: str, text: str) -> list[str]:
    """The lines that give a name another value."""
    names = rf"(?:\w+[ \t]*,[ \t]*){{0,9}}{name}[ \t]*(?:,[^=\n]*)?"
    return re.findall(rf"(?m)^[ \t]*(?:{names}=(?!=)|for {names}in\b|with .*\bas {name}\b).*", text)


def _objects(here: Function) -> list[str]:
    """The names of what may be pickled, first to last."""
    found = [one for one in _BOUND.finditer(here.body) if not _NO_OBJECT.match(one[3])]
    return [one[1] or one[2] for one in found]


def _is_opened(here: Function, name: str) -> bool:
    """Whether a name is that of a file."""
    return any(name in one.groups() for one in _OPENED.finditer(here.body))


def _stem(name: str) -> str:
    return name.rstrip("0123456789_")
