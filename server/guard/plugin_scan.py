"""detect-secrets' plugins, called one by one on a line.

Neither `scan_line` nor the library's settings are used: `scan_line` returns everything below the
entropy limit, and the settings are one changeable object for the whole process. No plugin verifies
anything over the network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Protocol, cast

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.base import BasePlugin
from detect_secrets.plugins.cloudant import CloudantDetector
from detect_secrets.plugins.high_entropy_strings import (
    Base64HighEntropyString,
    HexHighEntropyString,
)
from detect_secrets.plugins.ibm_cloud_iam import IbmCloudIamDetector
from detect_secrets.plugins.ibm_cos_hmac import IbmCosHmacDetector
from detect_secrets.plugins.keyword import KeywordDetector
from detect_secrets.plugins.softlayer import SoftlayerDetector

# Each with words (in lower case) without which it finds nothing on a line. Left out: public IP
# addresses (hints, not secrets); private keys and basic auth (our own shapes have their whole
# span); the sixteen whose provider stands in our own table, which knows the format more exactly.
_FORMATS: tuple[tuple[type[BasePlugin], str], ...] = (
    (ArtifactoryDetector, "akc"),
    (CloudantDetector, "cloudant"),
    (IbmCloudIamDetector, "ibm iam bluemix"),
    (IbmCosHmacDetector, "cos ibm"),
    (SoftlayerDetector, "softlayer sl_"),
)
_NAMED = (KeywordDetector, Base64HighEntropyString, HexHighEntropyString)
PLUGIN_WORDS = tuple(tuple(words.split()) for _, words in _FORMATS)
"""For each plugin of a provider's format the words without which it finds nothing."""


@dataclass(frozen=True)
class PluginHit:
    """What one plugin takes for a secret."""

    rule: str
    label: str
    """The plugin's own words: `Base64 High Entropy String`."""
    value: str


def format_hits(line: str, filename: str, index: int) -> Iterator[PluginHit]:
    """What one plugin of a provider's format finds on a line."""
    yield from _hits(_format_plugins()[index], line, filename)


def named_hits(line: str, filename: str) -> Iterator[PluginHit]:
    """What the keyword and entropy plugins find, after the filters that judge a value by itself."""
    for plugin in _named_plugins():
        for hit in _hits(plugin, line, filename):
            if _passes_filters(hit.value, line):
                yield hit


def _hits(plugin: BasePlugin, line: str, filename: str) -> Iterator[PluginHit]:
    for secret in plugin.analyze_line(filename=filename, line=line):
        if secret.secret_value:
            yield PluginHit(_rule(plugin), str(plugin.secret_type), secret.secret_value)


def _passes_filters(value: str, line: str) -> bool:
    from detect_secrets.filters import heuristic

    return not (
        heuristic.is_sequential_string(value)
        or heuristic.is_potential_uuid(value)
        or heuristic.is_likely_id_string(value, line)
        or heuristic.is_templated_secret(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or heuristic.is_indirect_reference(line)
        or heuristic.is_not_alphanumeric_string(value)
        or not is_gibberish(value)
    )


def is_gibberish(value: str) -> bool:
    """Whether detect-secrets' letter model finds `value` unlike words (hexadecimal always is)."""
    return bool(_HEX.fullmatch(value)) or _letter_model().is_gibberish(value.lower())


_HEX = re.compile(r"(?:0x)?[0-9a-fA-F]+")


class _Gibberish(Protocol):
    def is_gibberish(self, text: str) -> bool: ...


@cache
def _letter_model() -> _Gibberish:
    # detect-secrets' own filter reads a process-wide settings object at each call: use its parts.
    from detect_secrets.filters import gibberish
    from gibberish_detector import serializer  # pyright: ignore[reportMissingTypeStubs]
    from gibberish_detector.detector import Detector  # pyright: ignore[reportMissingTypeStubs]

    with as_file(files(gibberish).joinpath("rfc.model")) as path:
        model = serializer.deserialize(path.read_text(encoding="utf-8"))  # pyright: ignore
    return cast(_Gibberish, Detector(model=model, threshold=3.7))  # pyright: ignore


@cache
def _format_plugins() -> tuple[BasePlugin, ...]:
    return tuple(plugin() for plugin, _ in _FORMATS)


@cache
def _named_plugins() -> tuple[BasePlugin, ...]:
    return tuple(plugin() for plugin in _NAMED)


def _rule(plugin: BasePlugin) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(plugin.secret_type).lower()).strip("-")
