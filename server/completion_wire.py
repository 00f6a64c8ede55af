"""A completion request and its answer, between JSON and records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePath
from types import MappingProxyType

from server.config import ServerConfig
from server.engine.protocol import Ask
from server.guard.finding import Case, Finding
from server.wire import Fields
from store.records import Action

LANGUAGES: Mapping[str, str] = MappingProxyType(
    {
        ".py": "python",
        ".pyi": "python",
        ".js": "javascript",
        ".jsx": "javascriptreact",
        ".ts": "typescript",
        ".tsx": "typescriptreact",
        ".go": "go",
        ".rs": "rust",
        ".java": "java",
        ".c": "c",
        ".h": "c",
        ".cpp": "cpp",
        ".rb": "ruby",
        ".php": "php",
        ".sh": "shellscript",
        ".sql": "sql",
        ".json": "json",
        ".yaml": "yaml",
        ".yml": "yaml",
        ".toml": "toml",
        ".md": "markdown",
        ".txt": "plaintext",
    }
)


@dataclass(frozen=True)
class Asked:
    """What a client asked for."""

    ask: Ask
    model: str | None
    language: str
    path: str | None
    workspace: str | None
    """The absolute path of the folder that the editor has open."""
    is_streamed: bool
    wants_usage: bool
    """Whether a stream ends with the token counts (`stream_options.include_usage`)."""
    is_warming: bool
    """Nobody wants a suggestion yet: the prompt is to be read, and nothing said."""
    is_allowed: bool
    """A person wants to see this one whatever the guard finds: it is marked, not repaired."""

    @property
    def teaches(self) -> bool:
        """Whether what is found goes into the ledger: not in an experiment without bans or on a
        chosen generation, nor where a person has allowed it."""
        return self.ask.bans and self.ask.generation is None and not self.is_allowed


@dataclass(frozen=True)
class Flagged:
    """A finding and the id under which it is kept."""

    id: str
    finding: Finding


@dataclass(frozen=True)
class Choice:
    """One suggestion as it is answered."""

    index: int
    text: str
    proposed: str
    """What the model said; never leaves the server."""
    finish: str
    suggestion: str
    generation: str
    action: Action | None
    reason: str | None
    findings: tuple[Flagged, ...]
    """Offsets are in `proposed`."""
    marks: tuple[Finding, ...]
    """What is still to be found in `text`; offsets are in `text`."""
    tokens: int
    first_token_ms: float
    deferred: tuple[str, ...] = ()
    """The detectors that have not seen `text` yet."""

    @property
    def is_checking(self) -> bool:
        """Whether it is looked at again in the background, and may be taken back."""
        return bool(self.deferred and self.text)


@dataclass(frozen=True)
class Answer:
    """All that is answered to one request."""

    id: str
    created: int
    model: str
    choices: tuple[Choice, ...]
    prompt_tokens: int
    took_ms: float

    @property
    def completion_tokens(self) -> int:
        return sum(choice.tokens for choice in self.choices)


def parse_completion(fields: Fields, config: ServerConfig) -> Asked:
    """The OpenAI fields and ours; raises BadField and UnknownField."""
    own = fields.inner("unsay")
    path = own.text_or_none("path", most=4096)
    workspace = own.text_or_none("workspace", most=4096)
    given_language = own.text_or_none("language", most=64)
    stream_options = fields.inner("stream_options")
    n = fields.whole("n", 1, least=1, most=8)
    asked = Asked(
        ask=Ask(
            prefix=fields.text("prompt"),
            suffix=fields.text_or_none("suffix"),
            max_tokens=fields.whole("max_tokens", 48, least=1, most=config.max_tokens),
            temperature=fields.number("temperature", 0.0, least=0.0, most=2.0),
            top_p=fields.number("top_p", 1.0, least=0.001, most=1.0),
            n=n,
            stop=fields.texts("stop", most=16),
            seed=fields.whole_or_none("seed", least=-(2**63), most=2**63 - 1),
            document=own.text_or_none("document", most=4096) or path or "",
            stop_rules=own.flag("stop_rules", True),
            bans=own.flag("bans", True),
            generation=own.text_or_none("generation", most=200),
        ),
        model=fields.text_or_none("model", most=500),
        language=given_language or LANGUAGES.get(PurePath(path or "").suffix.lower(), "python"),
        path=path,
        workspace=workspace,
        is_streamed=fields.flag("stream", False),
        wants_usage=stream_options.flag("include_usage", False),
        is_warming=own.flag("warm", False),
        is_allowed=own.flag("allow", False),
    )
    own.text_or_none("client", most=200)
    own.done()
    stream_options.done()
    fields.text_or_none("user", most=500)
    for name in ("presence_penalty", "frequency_penalty"):
        fields.unused(name, 0)
    fields.unused("echo", False)
    fields.unused("best_of", n)
    fields.unused("logit_bias", {})
    fields.unused("logprobs")
    fields.done()
    return asked


def case_of(asked: Asked, text: str) -> Case:
    """`text` as a suggestion at the place that was asked about, for the guard."""
    return Case(
        prefix=asked.ask.prefix,
        suggestion=text,
        suffix=asked.ask.suffix or "",
        language=asked.language,
        path=asked.path,
        workspace=asked.workspace,
    )


def answer_json(answer: Answer) -> dict[str, object]:
    return {
        "id": answer.id,
        "object": "text_completion",
        "created": answer.created,
        "model": answer.model,
        "choices": [
            {
                "index": choice.index,
                "text": choice.text,
                "finish_reason": choice.finish,
                "logprobs": None,
                "unsay": choice_json(choice),
            }
            for choice in answer.choices
        ],
        "usage": usage_json(answer),
    }


def warmed_json(model: str, read: int) -> dict[str, object]:
    """The answer to a request that only warms: no choices, and how many tokens were read."""
    return {
        "object": "text_completion",
        "model": model,
        "choices": [],
        "usage": {"prompt_tokens": read, "completion_tokens": 0, "total_tokens": read},
    }


def usage_json(answer: Answer) -> dict[str, int]:
    return {
        "prompt_tokens": answer.prompt_tokens,
        "completion_tokens": answer.completion_tokens,
        "total_tokens": answer.prompt_tokens + answer.completion_tokens,
    }


def choice_json(choice: Choice) -> dict[str, object]:
    """What stands under `unsay` in a choice."""
    return {
        "suggestion": choice.suggestion,
        "generation": choice.generation,
        "action": choice.action,
        "reason": choice.reason,
        "findings": [{"id": one.id, **asdict(one.finding)} for one in choice.findings],
        "marks": [asdict(mark) for mark in choice.marks],
        "checking": choice.is_checking,
    }


@dataclass(frozen=True)
class Chunks:
    """The events of one stream, which all name the same answer."""

    id: str
    created: int
    model: str

    def piece(self, index: int, text: str) -> dict[str, object]:
        return self._chunk({"index": index, "text": text, "finish_reason": None, "logprobs": None})

    def end(self, choice: Choice) -> dict[str, object]:
        """The last one of a choice."""
        return self._chunk(
            {
                "index": choice.index,
                "text": "",
                "finish_reason": choice.finish,
                "logprobs": None,
                "unsay": choice_json(choice),
            }
        )

    def usage(self, answer: Answer) -> dict[str, object]:
        return self._chunk() | {"usage": usage_json(answer)}

    def _chunk(self, *choices: dict[str, object]) -> dict[str, object]:
        return {
            "id": self.id,
            "object": "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": list(choices),
        }
