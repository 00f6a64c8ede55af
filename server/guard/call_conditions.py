"""When a call of a dangerous function is wrong: the `when` column of python_calls.toml.

A condition gives the places to blame, the best first; none where the call is fine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from tree_sitter import Node

from server.guard.digest_use import for_no_security
from server.guard.pickled import is_own, read_back
from server.guard.python_call import Blame, Call, at, at_keyword
from server.guard.python_scene import Scene
from server.guard.taint import made

Condition = Callable[[Call, Scene], Sequence[Blame]]

_TEXT_NAMES = ("source", "command", "cmd", "object", "args", "stmt", "statement", "name", "value")
_SHELL = re.compile(r"(?:/\w+)*/?(?:ba|da|k|z|c|tc)?sh|cmd(?:\.exe)?|powershell(?:\.exe)?", re.I)
_SHELL_SWITCH = re.compile(r"-[a-z]{0,3}c|/c", re.I)
_SAFE_LOADER = re.compile(r"Safe|BaseLoader")
_TEXTS = re.compile(
    r"""[rubRUB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""", re.S
)
_NAMES = re.compile(r"[A-Za-z_]\w*")
_PICKLED = re.compile(r"[\w.]{0,60}\bdumps\(\s*[^)\s]")
_UNSIGNED = re.compile(r"""["']verify_signature["']\s*:\s*False""")
_WILDCARD = re.compile(r"""\b(?:chown|chmod|tar|rsync)\b[^"']*\*""")


def is_true(node: Node | None, scene: Scene) -> bool:
    """Whether an argument is written as true."""
    return node is not None and scene.string(node) in ("True", "1")


def is_false(node: Node | None, scene: Scene) -> bool:
    """Whether an argument is written as false."""
    return node is not None and scene.string(node) in ("False", "0")


def literal_text(node: Node | None, scene: Scene) -> str | None:
    """The text of a plain string literal."""
    if node is None or node.type != "string" or len(node.named_children) != 3:
        return None
    return scene.string(node.named_children[1])


def _always(call: Call, scene: Scene) -> Sequence[Blame]:
    return (at(call.function),)


def _temporary_name(call: Call, scene: Scene) -> Sequence[Blame]:
    """Always; a call that is left open becomes one without what was begun."""
    end = _end_in(call, scene)
    if call.node.end_byte > end and scene.string(call.last) == "mktemp":
        return (Blame(call.last.start_byte, end, "mkdtemp() + '/file'"),)
    return (at(call.function),)


def _open(call: Call, scene: Scene) -> Sequence[Blame]:
    """The text is no constant."""
    text = call.argument(0, *_TEXT_NAMES)
    if text is None:
        return (at(call.function),) if call.has_stars else ()
    return (at(call.function), at(text)) if made(text, scene) != "constant" else ()


def _run(call: Call, scene: Scene) -> Sequence[Blame]:
    """As `open`, and a minor thing where the text is put together from constants."""
    text = call.argument(0, *_TEXT_NAMES)
    is_minor = text is not None and _is_composed(text, scene)
    if text is None or not is_minor or made(text, scene) != "constant":
        return _open(call, scene)
    return (at(call.function, is_minor=True), at(text, is_minor=True))


def _system(call: Call, scene: Scene) -> Sequence[Blame]:
    """A command for a shell; a constant one is a minor thing."""
    command = call.argument(0, *_TEXT_NAMES)
    if command is None:
        return (at(call.function),) if call.has_stars else ()
    is_minor = made(command, scene) == "constant"
    return (at(call.function, is_minor=is_minor), at(command, is_minor=is_minor))


def _is_composed(text: Node, scene: Scene) -> bool:
    """Whether a constant is put together from names: `"rm %s" % FOLDER`."""
    if text.type not in ("string", "concatenated_string", "binary_operator", "call"):
        return False
    source = scene.string(text)[:2000]
    if text.type == "call" and not source.startswith(("'", '"', "f'", 'f"')):
        return False
    return _NAMES.search(_TEXTS.sub("", source).removeprefix(".format")) is not None or (
        "interpolation" in {one.type for one in text.named_children}
    )


def _built(call: Call, scene: Scene) -> Sequence[Blame]:
    """The text is put together from values."""
    text = call.argument(0, *_TEXT_NAMES)
    return (
        (at(call.function), at(text)) if text is not None and made(text, scene) == "built" else ()
    )


def _built_command(call: Call, scene: Scene) -> Sequence[Blame]:
    """As `open` for functions that always start a shell, else as `built`."""
    return _open(call, scene) if scene.string(call.last).endswith("_shell") else _built(call, scene)


def _compiled(call: Call, scene: Scene) -> Sequence[Blame]:
    """Text, not a tree, becomes code, not a tree."""
    flags = call.argument(3, "flags")
    if len(call.positional) + len(call.keywords) < 3 or flags is not None:
        return ()
    text, mode = call.argument(0, "source"), literal_text(call.argument(2, "mode"), scene)
    if text is None or mode is None or made(text, scene) != "built":
        return ()
    return (at(call.function), at(text))


def shell(call: Call, scene: Scene) -> Sequence[Blame]:
    """`shell=True`; with a constant command only as a minor thing."""
    flag = call.keywords.get("shell")
    if flag is None or not is_true(flag, scene):
        return ()
    command = call.argument(0, "args", "cmd", "command")
    if command is None:
        return (at_keyword(flag),) if call.has_stars or not call.positional else ()
    is_list = command.type == "list"
    is_minor = not is_list and made(command, scene) == "constant"
    has_more = is_list and len(command.named_children) > 1  # a shell would take only the first
    blame = at_keyword(flag, "shell=False" if has_more else None, is_minor=is_minor)
    return (blame, at(command, is_minor=is_minor))


def _shell_list(call: Call, scene: Scene) -> Sequence[Blame]:
    """A shell's name, its switch -c, and then a text that is no constant."""
    parts = list[Node]()
    for one in call.positional:
        parts += one.named_children if one.type in ("list", "tuple") else [one]
    for place, one in enumerate(parts[:-2]):
        name = literal_text(one, scene)
        if name is None or not _SHELL.fullmatch(name):
            continue
        switch = literal_text(parts[place + 1], scene)
        if switch is not None and _SHELL_SWITCH.fullmatch(switch):
            command = parts[place + 2]
            return (at(command),) if made(command, scene) != "constant" else ()
    return ()


def _unpickled(call: Call, scene: Scene) -> Sequence[Blame]:
    """Not what the same function has just pickled."""
    data = call.argument(0, "file", "data", "filename")
    sources = [scene.string(data)] if data is not None else []
    if data is not None and data.type == "identifier":
        above = scene.assigned(sources[0], data)[-1:]
        sources += [scene.string(one.child_by_field_name("right") or one) for one in above]
        if is_own(call, sources[0], scene):
            return ()
    if any(map(_PICKLED.match, sources)):
        return ()
    instead = read_back(call, scene)
    if instead is not None and call.last.end_byte > scene.start:
        return (Blame(call.last.start_byte, _end_in(call, scene), instead),)
    return (at(call.function),)


def _yaml(call: Call, scene: Scene) -> Sequence[Blame]:
    """A loader that makes objects: the loader itself, or the call that names none."""
    verb = scene.string(call.last)
    if verb.startswith("unsafe_"):
        return (at(call.last, verb.replace("unsafe_", "safe_")),)
    loader = call.argument(1, "Loader")
    if loader is None:
        has_one = len(call.positional) == 1 and not call.keywords and not call.has_stars
        is_plain = has_one and "ruamel" not in scene.string(call.function)
        first = at(call.last, verb.replace("load", "safe_load") if is_plain else None)
        return (first, at(call.positional[0])) if call.positional else (first,)
    if _SAFE_LOADER.search(scene.string(loader)):
        return ()
    last = loader.child_by_field_name("attribute")
    if last is not None:
        return (at(last, "SafeLoader"),)
    return (at(loader) if scene.string(loader).endswith("Loader") else at(call.last),)


def weak_hash(call: Call, scene: Scene) -> Sequence[Blame]:
    """Used for security, as far as the call says."""
    if is_false(call.keywords.get("usedforsecurity"), scene):
        return ()
    instead = for_no_security(call, scene)
    if instead is not None and call.last.end_byte > scene.start:
        return (Blame(call.last.start_byte, _end_in(call, scene), instead),)
    return (at(call.last),)


def _end_in(call: Call, scene: Scene) -> int:
    """The end of a call; one that the suggestion leaves open at a line's end ends with it."""
    is_open = scene.below[:1] in ("", "\n") and call.last.end_byte <= scene.end
    return min(call.node.end_byte, scene.end) if is_open else call.node.end_byte


def _wildcard(call: Call, scene: Scene) -> Sequence[Blame]:
    text = literal_text(call.argument(0, *_TEXT_NAMES), scene)
    return (at(call.function),) if text is not None and _WILDCARD.search(text) else ()


def _unsigned(call: Call, scene: Scene) -> Sequence[Blame]:
    """A token is read whose signature nobody checks: `verify=False`, or an option that says so."""
    flag, options = call.keywords.get("verify"), call.keywords.get("options")
    if flag is not None and is_false(flag, scene):
        return (at_keyword(flag),)
    is_off = options is not None and _UNSIGNED.search(scene.string(options))
    return (at_keyword(options),) if options is not None and is_off else ()


def _keyword(name: str, value: str) -> Condition:
    """The keyword is written with this value."""

    def condition(call: Call, scene: Scene) -> Sequence[Blame]:
        given = call.keywords.get(name)
        return (at_keyword(given),) if given is not None and scene.string(given) == value else ()

    return condition


CONDITIONS: dict[str, Condition] = {
    "always": _always,
    "temporary-name": _temporary_name,
    "open": _open,
    "run": _run,
    "system": _system,
    "built": _built,
    "built-command": _built_command,
    "compiled": _compiled,
    "shell": shell,
    "shell-list": _shell_list,
    "unpickled": _unpickled,
    "yaml": _yaml,
    "weak-hash": weak_hash,
    "wildcard": _wildcard,
    "unsigned": _unsigned,
    "allow_pickle=True": _keyword("allow_pickle", "True"),
    "weights_only=False": _keyword("weights_only", "False"),
}
