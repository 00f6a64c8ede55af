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

from detect_secrets.plugins.artifactory import ArtifactoryDetector
from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.base import BasePlugin
from detect_secrets.plugins.cloudant import CloudantDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.high_entropy_strings import (
    Base64HighEntropyString,
    HexHighEntropyString,
)
from detect_secrets.plugins.ibm_cloud_iam import IbmCloudIamDetector
from detect_secrets.plugins.ibm_cos_hmac import IbmCosHmacDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.keyword import KeywordDetector
from detect_secrets.plugins.mailchimp import MailchimpDetector
from detect_secrets.plugins.npm import NpmDetector
from detect_secrets.plugins.openai import OpenAIDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.softlayer import SoftlayerDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from detect_secrets.plugins.twilio import TwilioKeyDetector

from server.guard.secret_shapes import is_gibberish

# Left out: public IP addresses (hints, not secrets); private keys and basic auth (our own table has
# their whole span).
_PLUGINS: tuple[type[BasePlugin], ...] = (
    ArtifactoryDetector,
    AWSKeyDetector,
    AzureStorageKeyDetector,
    CloudantDetector,
    DiscordBotTokenDetector,
    GitHubTokenDetector,
    GitLabTokenDetector,
    IbmCloudIamDetector,
    IbmCosHmacDetector,
    JwtTokenDetector,
    MailchimpDetector,
    NpmDetector,
    OpenAIDetector,
    PypiTokenDetector,
    SendGridDetector,
    SlackDetector,
    SoftlayerDetector,
    SquareOAuthDetector,
    StripeDetector,
    TelegramBotTokenDetector,
    TwilioKeyDetector,
    KeywordDetector,
    Base64HighEntropyString,
    HexHighEntropyString,
)
_WORTH_A_LOOK = re.compile(r"(?i)pass|pwd|secret|key|token|cred|auth|[A-Za-z0-9+/=_-]{16}|contrase")


@dataclass(frozen=True)
class PluginHit:
    """What one plugin takes for a secret."""

    rule: str
    label: str
    """The plugin's own words: `Base64 High Entropy String`."""
    value: str
    is_format: bool
    """A provider's format, as opposed to a keyword or entropy."""


def plugin_hits(line: str, filename: str) -> Iterator[PluginHit]:
    """What the plugins find on a line, after the filters that judge a value by itself."""
    if not _WORTH_A_LOOK.search(line):
        return
    for plugin in _plugins():
        is_format = not isinstance(
            plugin, KeywordDetector | Base64HighEntropyString | HexHighEntropyString
        )
        for secret in plugin.analyze_line(filename=filename, line=line):
            value = secret.secret_value
            if value and (is_format or _passes_filters(value, line)):
                yield PluginHit(_rule(plugin), str(plugin.secret_type), value, is_format)


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


@cache
def _plugins() -> tuple[BasePlugin, ...]:
    return tuple(plugin() for plugin in _PLUGINS)


def _rule(plugin: BasePlugin) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(plugin.secret_type).lower()).strip("-")
