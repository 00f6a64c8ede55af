"""The command line of Unsay: finds the verb, parses its arguments, calls it, prints one line of
error. The only place that reads the environment."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

VERSION = "0.1.0"

VERBS: Mapping[str, str] = MappingProxyType(
    {
        "up": "start the server if need be, and say what to do next",
        "serve": "run the server in the foreground",
        "lsp": "run the language server on standard input and output (editors start it)",
        "demo": "show the whole loop on this machine in a few minutes",
        "check": "run the guard over files, standard input or JSON lines",
        "allow": "let a rule of the guard pass, anywhere or in a folder",
        "forget": "put text of a file into the ledger: banned at once, unlearned at night",
        "take-back": "withdraw an item from the ledger",
        "ledger": "list the items to forget, or import some",
        "findings": "list what the guard flagged",
        "refresh": "unlearn the ledger into a new generation, gate it and promote it",
        "adapters": "list the generations and verify their certificates",
        "promote": "serve a generation",
        "rollback": "serve the generation before the present one",
        "bench": "say how quick the model is on this machine",
        "doctor": "say in one screen what works, what does not, and what to do",
    }
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; 0 is success, 1 is what the verb's help says, 2 a mistake in the call."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["--version"]:
        print(f"unsay {VERSION}")
        return 0
    if not given or given[0] not in VERBS:
        return _usage(given)
    module = importlib.import_module("commands." + module_of(given[0]))
    parser = argparse.ArgumentParser(
        prog=f"unsay {given[0]}",
        description=module.SUMMARY,
        epilog="example:\n  " + module.EXAMPLE.replace("\n", "\n  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.arguments(parser)
    asked = parser.parse_args(given[1:])
    return _run(module.run, asked)


def module_of(verb: str) -> str:
    """The module in `commands` that holds a verb; none may carry the name of a top-level folder."""
    return "language_server" if verb == "lsp" else verb.replace("-", "_")


def _run(verb: object, asked: argparse.Namespace) -> int:
    from commands.failure import Failure, known_errors
    from commands.settings import resolve

    assert callable(verb)
    try:
        code = verb(asked, resolve(os.environ, _default_home()))
        assert isinstance(code, int)
        return code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone, `unsay ledger | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Failure as failure:
        print(f"unsay: {failure}", file=sys.stderr)
        return failure.code
    except known_errors() as error:
        print(f"unsay: {error}", file=sys.stderr)
        return 1


def _default_home() -> Path:
    from platformdirs import user_data_path

    return user_data_path("unsay", appauthor=False)


def _usage(given: list[str]) -> int:
    wanted = bool(given) and given[0] in ("-h", "--help", "help")
    stream = sys.stdout if wanted else sys.stderr
    if given and not wanted:
        print(f"unsay: there is no verb '{given[0]}'\n", file=stream)
    print("usage: unsay VERB [options]      (unsay VERB --help has an example)\n", file=stream)
    for verb, summary in VERBS.items():
        print(f"  {verb:<10} {summary}", file=stream)
    return 0 if wanted else 2


if __name__ == "__main__":
    sys.exit(main())
