"""Says in plain words why a suggestion was held back, changed or marked."""

from __future__ import annotations

from dataclasses import dataclass

from lsp.answers import Choice, Mark

_DONE = {
    "blocked": "Held back: the suggestion was not shown",
    "patched": "Changed: the suggestion was repaired before it was shown",
    "warned": "Marked: the suggestion was shown with a warning",
    "taken_back": "Taken back: the suggestion was shown before every check of it had ended",
}

_ADVICE = {
    "secret": "Read the value from the environment or a secret store instead of writing it down.",
    "deprecated": "Use the successor that the message names.",
    "insecure": "Use the safer form that the message names.",
    "licensed": "Write it in your own words, or keep the notice that its licence asks for.",
    "forgotten": "It stands in the ledger. Take it back with `unsay.takeBack` if it may be said.",
    "user": "Someone here unsaid it. Take it back with `unsay.takeBack` if it may be said.",
}


@dataclass(frozen=True)
class Explained:
    """The last suggestion with which the guard did something."""

    choice: Choice
    uri: str

    @property
    def rule(self) -> str:
        findings = self.choice.findings or self.choice.marks
        return findings[0].rule if findings else "unknown"

    def is_held_back_in(self, uri: str) -> bool:
        """Whether a person may want to see in `uri` what was not shown, or was taken back."""
        return self.uri == uri and self.choice.action in ("blocked", "taken_back")

    def as_markdown(self) -> str:
        choice = self.choice
        lines = [f"**{_DONE.get(choice.action or '', 'Flagged')}.**"]
        if choice.reason:
            lines.append(choice.reason)
        findings = choice.findings or choice.marks
        lines.extend(_line(mark) for mark in findings)
        advice = dict.fromkeys(_ADVICE[mark.kind] for mark in findings if mark.kind in _ADVICE)
        if advice:
            lines.append("What to do: " + " ".join(advice))
        if choice.action in ("blocked", "taken_back"):
            lines.append("To see it all the same, once: `unsay.allowOnce`.")
        if findings:
            lines.append(
                f"To let it pass for good: a comment `unsay: allow[{self.rule}]` on the line, the "
                f"code actions there, or `unsay allow {self.rule}`."
            )
        return "\n\n".join(lines)

    def as_sentence(self) -> str:
        choice = self.choice
        done = _DONE.get(choice.action or "", "Flagged").partition(":")[0]
        said = choice.reason or next((mark.message for mark in choice.findings), "")
        return f"Unsay: {done.lower()} ({self.rule}). {said}".rstrip()


def _line(mark: Mark) -> str:
    cwe = f", {mark.cwe}" if mark.cwe else ""
    change = " A replacement is known." if mark.replacement is not None else ""
    return f"- `{mark.rule}` ({mark.kind}{cwe}): {mark.message}{change}"
