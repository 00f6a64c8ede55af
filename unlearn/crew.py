"""The processes that train one adapter together, as `torchrun` or `accelerate launch` starts them.

Each has the whole model and takes its share of every batch, and their gradients are added up, so
all adapters stay equal. Started any other way, a process trains alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import accelerate  # pyright: ignore[reportMissingTypeStubs]
import accelerate.utils  # pyright: ignore[reportMissingTypeStubs]
import torch
from torch import nn

Value = TypeVar("Value")
# neither states its types in full
distributed: Any = torch.distributed
launched: Any = accelerate
objects: Any = accelerate.utils


@dataclass(frozen=True)
class Crew:
    """This process's place among them."""

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """The first keeps the ledger, judges and promotes; the others only train."""
        return self.rank == 0

    def owns(self, number: int) -> bool:
        """Whether this process works on the `number`-th of something."""
        return number % self.size == self.rank

    def gathered(self, found: Mapping[int, Value]) -> list[Value]:
        """What all processes found, by the number of what they own, in that order."""
        parts: list[Mapping[int, Value]] = (
            [found] if self.size == 1 else objects.gather_object([dict(found)])
        )
        whole = {number: value for part in parts for number, value in part.items()}
        return [whole[number] for number in sorted(whole)]

    def from_first(self, value: Value) -> Value:
        """The first process's value, in every process."""
        if self.size == 1:
            return value
        box: list[Value] = [value]
        objects.broadcast_object_list(box)
        return box[0]

    def sum_gradients(self, weights: Sequence[nn.Parameter]) -> None:
        """Add up the gradients of all processes; one without a gradient counts as zero."""
        if self.size == 1:
            return
        for weight in weights:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            distributed.all_reduce(weight.grad)


ALONE = Crew()


def summoned(device: str, environment: Mapping[str, str]) -> Crew:
    """The crew that this process was started in, as the launcher says in the environment.

    Raises RuntimeError if the others do not come.
    """
    if int(environment.get("WORLD_SIZE", "1")) == 1:
        return ALONE
    place = launched.PartialState(cpu=device == "cpu")
    return Crew(place.process_index, place.num_processes)
