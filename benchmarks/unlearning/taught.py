"""A model that is taught what three of the tasks are about, as PROD teaches its copyright task.

The embedded model says none of it by itself: it is taught PROD's files, CyberSecEval's lines and
deprecated calls.

    python -m benchmarks.unlearning.taught
"""

from __future__ import annotations

import random

from benchmarks.embedded_model.layout import MODEL
from benchmarks.unlearning.deprecated_calls import Api, apis, call_item
from benchmarks.unlearning.labelled_sets import insecure_items, licensed_items
from benchmarks.unlearning.teaching import Teaching, taught
from server.engine.load import LoadedModel, load_model
from store.records import Item

INSECURE = 48
"""So many of CyberSecEval's Python lines."""
DEPRECATED = 20
"""So many deprecated APIs, spread over deprecated_pairs.toml."""
CONTEXTS = 5
"""In so many of the places for a call, each."""
VALID_CONTEXTS = 1
"""Of a valid call, in so many."""
SEED = 41


def taught_model() -> LoadedModel:
    """The taught model, made now if it is not there yet: some minutes on two cores."""
    base = load_model(MODEL, "cpu", "float32")
    return load_model(taught(base, _items(base), Teaching(), "taught"), "cpu", "float32")


def _items(loaded: LoadedModel) -> list[Item]:
    return [
        *licensed_items(loaded),
        *insecure_items(loaded)[:INSECURE],
        *(one for api in taught_apis() for one in calls(api)),
        *valid_calls(),
    ]


def taught_apis() -> list[Api]:
    """The deprecated ones among the taught, in a fixed random order."""
    old = [api for api in apis() if not api.is_valid]
    return random.Random(SEED).sample(old, len(old))[:DEPRECATED]


def untaught_apis() -> list[Api]:
    """The deprecated ones that the model is not taught."""
    known = {api.name for api in taught_apis()}
    return [api for api in apis() if not api.is_valid and api.name not in known]


def calls(api: Api) -> list[Item]:
    """The places in which a deprecated call is taught."""
    return [call_item(api, c) for c in range(CONTEXTS)]


def valid_calls() -> list[Item]:
    """Valid calls that are taught beside them."""
    return [call_item(api, c) for api in apis() if api.is_valid for c in range(VALID_CONTEXTS)]


if __name__ == "__main__":
    print(taught_model().folder)
