"""What Prometheus may read; no label ever holds a text or a path of the user."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from server import VERSION
from server.completion_wire import Answer
from server.engine.protocol import Engine, SwapReport
from server.verdicts import Verdict

_FAST = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0)


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        Info("unsay_build", "Version of the server", registry=registry).info({"version": VERSION})
        self._requests = Counter(
            "unsay_requests", "Answers", ["route", "method", "status"], registry=registry
        )
        self._request_seconds = Histogram(
            "unsay_request_seconds", "Time to answer", ["route"], registry=registry
        )
        self._completion_seconds = Histogram(
            "unsay_completion_seconds",
            "From a request's arrival to its suggestion, guard included",
            buckets=_FAST,
            registry=registry,
        )
        self._first_token_seconds = Histogram(
            "unsay_first_token_seconds",
            "Prompt to first token, in the engine",
            buckets=_FAST,
            registry=registry,
        )
        self._tokens = Counter("unsay_tokens", "Tokens", ["part"], registry=registry)
        self._cancelled = Counter(
            "unsay_completions_cancelled",
            "Superseded, late, or their client went away",
            registry=registry,
        )
        self._findings = Counter(
            "unsay_findings", "What the guard flagged", ["kind", "action"], registry=registry
        )
        self._looked_again = Counter(
            "unsay_background_checks", "Looks after the answer", ["state"], registry=registry
        )
        self._in_background = Gauge(
            "unsay_background_waiting", "Suggestions still to be looked at", registry=registry
        )
        self._bans = Gauge("unsay_bans", "Token sequences banned at decode time", registry=registry)
        self._queue = Gauge("unsay_queue", "Requests waiting for the model", registry=registry)
        self._generation = Gauge(
            "unsay_generation_info", "The serving generation", ["generation"], registry=registry
        )
        self._swaps = Counter("unsay_swaps", "Changes of the generation", registry=registry)
        self._pause_seconds = Histogram(
            "unsay_swap_pause_seconds",
            "How long no request could start during a swap",
            buckets=_FAST,
            registry=registry,
        )

    def watch(self, engine: Engine) -> None:
        """Ask `engine` whenever somebody reads."""
        awake = Gauge("unsay_awake", "Whether the model is in memory", registry=self._registry)
        awake.set_function(lambda: engine.state == "awake")
        wake = Gauge(
            "unsay_last_wake_seconds",
            "How long it last took to read the model into memory again",
            registry=self._registry,
        )
        wake.set_function(lambda: (engine.last_wake_ms or 0.0) / 1000)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def completed(self, answer: Answer) -> None:
        self._completion_seconds.observe(answer.took_ms / 1000)
        self._tokens.labels("prompt").inc(answer.prompt_tokens)
        self._tokens.labels("completion").inc(answer.completion_tokens)
        for choice in answer.choices:
            self._first_token_seconds.observe(choice.first_token_ms / 1000)
            for flagged in choice.findings:
                self._findings.labels(flagged.finding.kind, choice.action or "none").inc()

    def looked_again(self, verdict: Verdict) -> None:
        self._looked_again.labels(verdict.state).inc()
        action = "blocked" if verdict.state == "taken_back" else verdict.state
        for flagged in verdict.findings:
            self._findings.labels(flagged.finding.kind, action).inc()

    def in_background(self, suggestions: int) -> None:
        self._in_background.set(suggestions)

    def cancelled(self) -> None:
        self._cancelled.inc()

    def waiting(self, requests: int) -> None:
        self._queue.set(requests)

    def banned(self, sequences: int) -> None:
        self._bans.set(sequences)

    def serving(self, generation: str) -> None:
        self._generation.clear()
        self._generation.labels(generation).set(1)

    def swapped(self, report: SwapReport) -> None:
        self._swaps.inc()
        self._pause_seconds.observe(report.pause_ms / 1000)
        self.serving(report.generation)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)
