"""What can go wrong while unlearning.

UnlearnError
├── UnknownMethod        the method's name is not in the table of `unlearn.methods`
├── RefreshRunning       another refresh holds the lock
├── ParentMissing        the serving generation's adapter is gone or does not fit the base
├── PromotionRefused     the server or the store would not serve the candidate
└── CertificateBroken    a certificate or what it vouches for was changed
"""

from __future__ import annotations


class UnlearnError(Exception):
    """Any failure of the batch job that a person can act on."""


class UnknownMethod(UnlearnError):
    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(
            f"no unlearning method is called {name!r}; choose one of {', '.join(known)}"
        )


class RefreshRunning(UnlearnError):
    def __init__(self) -> None:
        super().__init__(
            "another refresh is running in this home; wait until it has ended, or stop it first"
        )


class ParentMissing(UnlearnError):
    def __init__(self, generation: str, why: str) -> None:
        super().__init__(
            f"the serving generation {generation} cannot be trained on ({why}); "
            "run `unsay refresh --mode rebuild` to start again from the base"
        )


class PromotionRefused(UnlearnError):
    def __init__(self, generation: str, why: str) -> None:
        super().__init__(f"{generation} passed the gate but was not promoted: {why}")


class CertificateBroken(UnlearnError):
    def __init__(self, generation: str, why: str) -> None:
        super().__init__(f"the certificate of {generation} does not hold: {why}")
