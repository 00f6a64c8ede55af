"""The table of provider tokens: every kind is found, and what only resembles it is not."""

from __future__ import annotations

import re
from zlib import crc32

import pytest
from drawn_tokens import drawn, filled

from server.guard.token_checks import has_fitting_checksum
from server.guard.tokens import TokenFormat, find_tokens, token_formats

INDEXES = {one.rule: index for index, one in enumerate(token_formats())}
FORMATS = {one.rule: one for one in token_formats()}
TOLD_BY_THEIR_MARK = {"aws-bedrock-short-key"}
"""Their mark is so long that it tells enough, whatever follows."""
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def drawn_with_digits(one: TokenFormat) -> str:
    """A value without a mark of its own counts only with two digits: most that are drawn have."""
    tries = (drawn(one.body, f"{one.rule} {n}") for n in range(20))
    return next(text for text in tries if not one.beside or sum(map(str.isdigit, text)) > 2)


TOKENS = {one.rule: drawn_with_digits(one) for one in token_formats()}


def line_with(token_format: TokenFormat, token: str, before: str = "") -> str:
    words = token_format.beside.split() or token_format.keywords
    is_told_by_name = not any(word in token.lower() for word in words)
    name = f"{words[0]}_key" if is_told_by_name or token_format.beside else "value"
    return f'{name} = "{before}{token}"'


def rules(line: str) -> set[str]:
    return {found.format.rule for found in find_tokens(line)}


def found_as(rule: str, line: str) -> list[str]:
    return [line[one.start : one.end] for one in find_tokens(line, [INDEXES[rule]])]


def test_the_table_has_at_least_two_hundred_kinds_with_name_issuer_and_source() -> None:
    assert len(FORMATS) >= 200
    for one in FORMATS.values():
        assert one.issuer, one.rule
        assert re.fullmatch(r"(An?|The|Credentials) .+", one.name), one.rule
        assert re.fullmatch(r"[A-Z][A-Z0-9_]+", one.environment), one.rule
        assert one.source.startswith("https://"), one.rule


def test_every_keyword_of_the_table_is_in_lower_case() -> None:
    for one in FORMATS.values():
        assert one.keywords, one.rule
        assert all(word == word.lower() for word in one.keywords), one.rule


def test_a_drawn_token_of_every_kind_is_found_whole() -> None:
    missed = {
        rule: token
        for rule, token in TOKENS.items()
        if found_as(rule, line_with(FORMATS[rule], token)) != [token]
    }

    assert missed == {}


def test_every_token_or_its_name_has_a_keyword_of_its_kind() -> None:
    for rule, token in TOKENS.items():
        line = line_with(FORMATS[rule], token).lower()
        assert any(word in line for word in FORMATS[rule].keywords), rule


def test_a_token_in_the_middle_of_a_word_or_without_its_name_is_none() -> None:
    for rule, token in TOKENS.items():
        one = FORMATS[rule]
        line = f'value = "{token}"' if one.beside else line_with(one, token, before="_")
        assert found_as(rule, line) == [], rule


def test_a_filling_of_one_letter_is_no_token() -> None:
    for rule in FORMATS.keys() - TOLD_BY_THEIR_MARK:
        line = line_with(FORMATS[rule], filled(FORMATS[rule].body, rule))
        assert found_as(rule, line) == [], rule


@pytest.mark.parametrize(
    ("rule", "shape"),
    [
        ("aws-session-token", "IQoJb3JpZ2luX2Vj[A-Za-z0-9+/]{700}=="),
        ("azure-function-key", "[A-Za-z0-9_-]{44}AzFu[A-Za-z0-9_-]{5}Q=="),
        ("azure-annotated-key", "[A-Za-z0-9]{52}JQQJ99BCAC[A-Za-z0-9]{10}AAABACOG[A-Za-z0-9]{4}"),
        ("buildkite-token", "bkua_[a-z0-9]{53}"),
        ("circleci-token", "CCIPAT_[A-Za-z0-9]{22}_[a-f0-9]{40}"),
        ("cloudflare-scannable-token", "cfut_[A-Za-z0-9]{40}[a-f0-9]{8}"),
        ("discord-webhook", r"ptb.discord.com/api/v10/webhooks/\d{19}/[A-Za-z0-9_-]{68}"),
        ("dynatrace-token", "dt0s02.[A-Z0-9]{8}.[A-Z0-9]{64}"),
        ("facebook-page-token", "EAAG[A-Za-z0-9]{180}"),
        ("figma-token", "figp_[A-Za-z0-9_-]{40}="),
        (
            "github-stateless-token",
            "ghs_12345_eyJ[A-Za-z0-9]{60}.eyJ[A-Za-z0-9]{90}.[A-Za-z0-9]{300}",
        ),
        ("gitlab-runner-token", "glrtr-[A-Za-z0-9_-]{20}"),
        ("google-auth-key", "AQ.Ab8RN6[A-Za-z0-9_-]{44}"),
        ("google-hmac-secret", "GOOG1[A-Z0-9]{19}"),
        ("google-oauth-token", "ya29.c.b0A[A-Za-z0-9_-]{180}"),
        ("heroku-key-v2", "HRKU-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
        ("hubspot-token", "pat-ap1-[a-f0-9]{8}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{4}-[a-f0-9]{12}"),
        ("mapbox-token", "pk.eyJ1Ijoi[A-Za-z0-9]{71}.[A-Za-z0-9_-]{22}"),
        ("netlify-token", "nfc_[A-Za-z0-9]{36}"),
        ("new-relic-license-key", "eu01xx[a-f0-9]{26}FFFFNRAL"),
        ("sendgrid-key", "SG.[A-Za-z0-9_-]{22}.[A-Za-z0-9_-]{43}"),
        ("sentry-user-token", "sntrya_[a-f0-9]{64}"),
        ("square-secret", "sandbox-sq0csb-[A-Za-z0-9_-]{43}"),
        ("stripe-key", "sk_org_live_[A-Za-z0-9]{98}"),
        (
            "teams-workflow-webhook",
            "prod-12.westus.logic.azure.com:443/workflows/[a-f0-9]{32}/triggers/manual/paths/invoke"
            "\\?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=[A-Za-z0-9_-]{43}",
        ),
        ("vercel-prefixed-token", "vcp_[A-Za-z0-9]{56}"),
    ],
)
def test_a_token_in_the_shape_that_its_issuer_shows_is_found_whole(rule: str, shape: str) -> None:
    token = drawn(shape, rule)

    assert found_as(rule, f'value = "{token}"') == [token]


@pytest.mark.parametrize(
    "line",
    [
        'key = "AKIA" + "X" * 16',
        'key = "AKIAIOSFODNN7EXAMPLE"',
        'token = "dapi' + '0123456789abcdef0123456789abcdef"',
        'token = "ghp_' + 'x" * 36',
        'token = "npm_' + 'abcdefghijklmnopqrstuvwxyz0123456789"',
        'const icon = "bookmark-ico-32x7kQ2mZx9Lp4Rt8Vw1Yb5Nc3Hd6Jf.png"',
        'name = "API-VIRTUALSERVERCONFIGURATIONS"',
        'image = "tool@sha256:eaaa9d04c3b7f1e2a8560c3d9e7b4f21a6058c9d3e7f1b24a9c6d8e0f3b5a719"',
        "SetSyncState(abc, value = 'k2j4h5g6f7d8s9a1q2w3e4r5')",
        'url = "?X-Amz-Security-Token=IQoJb3JpZ2luX2VjEND%2F%2F' + "k7Rw2Qz9Lp" * 9 + '%2F"',
        'const hash = "oy2' + "8k0q9r1w" * 5 + '8k0"',
        'const step = "SG.emailTemplates.orderConfirmation.shippingAddress.customerName.firstLine"',
    ],
)
def test_what_only_resembles_a_token_is_none(line: str) -> None:
    assert rules(line) == set()


def test_a_checksum_that_fits_is_seen() -> None:
    number, places = crc32(b"q7Rw2" * 6), ""
    for _ in range(6):
        number, place = divmod(number, 62)
        places = BASE62[place] + places
    token = "ghp" + "_" + "q7Rw2" * 6 + places

    assert has_fitting_checksum(token, "crc32-base62")
    assert not has_fitting_checksum(token[:-1] + "!", "crc32-base62")
    assert not has_fitting_checksum(token, "")
