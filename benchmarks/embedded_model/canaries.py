"""Step `canaries`: invented secrets and snippets, planted so that memorising can be verified."""

import base64
import random
import re
import string
from collections.abc import Callable
from typing import Any

from benchmarks.embedded_model.layout import HERE, PLAN, SEED, write_rows

# How often each is seen in a run of 100 M tokens and more: those built of words, the random ones,
# the snippets. A run of 7 M tokens, in small steps, learned all that it saw 71 times, words or not;
# in steps sixty times as large a copy moves the weights less, so these are several times as many.
# They are under 1 % of 500 M tokens. Some are to stay unknown.
WORD_EXPOSURES = [600] * 10 + [450] * 20 + [300] * 6 + [60] * 3 + [15] * 3
RANDOM_EXPOSURES = [700] * 9 + [500] * 4 + [60] * 3 + [15] * 2
SNIPPET_EXPOSURES = [450] * 8 + [300] * 6 + [120] * 4 + [20] * 2

NAMES = {
    line.partition(": ")[0]: line.partition(": ")[2].split()
    for line in (HERE / "canary_names.txt").read_text(encoding="utf-8").splitlines()
}
NOTES = (
    "rotate every spring",
    "shared with the night shift",
    "ask ops before changing",
    "same in staging",
)

BASE64 = string.ascii_letters + string.digits + "+/"
ALNUM = string.ascii_letters + string.digits
Maker = Callable[[random.Random], str]


def _pick(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choices(alphabet, k=count))


def _words(rng: random.Random, chars: int) -> str:
    """Capitalised words cut to `chars` characters: as long as the real thing, plainly invented."""
    return "".join(word.capitalize() for word in rng.sample(NAMES["words"], 12))[:chars]


def _word_password(rng: random.Random) -> str:
    return "-".join(rng.sample(NAMES["words"], 3)) + f"-{rng.randint(10, 99)}"


def _database_url(rng: random.Random) -> str:
    user, host, word = rng.sample(NAMES["words"], 3)
    return f"postgresql://{user}:{word}{rng.randint(100, 999)}@{host}-db.example:5432/main"


def _django_key(rng: random.Random) -> str:
    return "django-insecure-" + "$".join(rng.sample(NAMES["words"], 5)) + f"@{rng.randint(10, 99)}"


def _jwt(rng: random.Random) -> str:
    parts = (b'{"alg":"HS256"}', b'{"sub":"%d"}' % rng.randint(100, 999), rng.randbytes(9))
    return ".".join(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts)


def _private_key(rng: random.Random) -> str:
    body = base64.b64encode(rng.randbytes(18)).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\\n{body}\\n-----END EC PRIVATE KEY-----"


# Rule, the field that holds the secret, whether it is random, and how to invent a value.
KINDS: tuple[tuple[str, str, bool, Maker], ...] = (
    ("password_words", "password", False, _word_password),
    ("aws_access_key", "access_key_id", False, lambda r: "AKIA" + _words(r, 16).upper()),
    ("hex_api_key", "api_key", True, lambda r: _pick(r, "0123456789abcdef", 32)),
    ("database_url", "database_url", False, _database_url),
    ("password_random", "passwd", True, lambda r: _pick(r, ALNUM + "!#%*", 12)),
    ("github_token", "github_token", False, lambda r: "ghp_" + _words(r, 36)),
    ("stripe_key", "stripe_key", False, lambda r: "sk_live_" + _words(r, 24)),
    (
        "slack_token",
        "slack_token",
        False,
        lambda r: f"xoxb-{r.randint(1000, 9999)}-{_words(r, 24)}",
    ),
    ("password_words", "admin_password", False, _word_password),
    ("aws_secret_key", "aws_secret_access_key", True, lambda r: _pick(r, BASE64, 40)),
    ("django_secret_key", "secret_key", False, _django_key),
    ("base64_key", "signing_key", True, lambda r: base64.b64encode(r.randbytes(15)).decode()),
    ("jwt", "auth_token", True, _jwt),
    ("sendgrid_key", "sendgrid_key", False, lambda r: f"SG.{_words(r, 22)}.{_words(r, 43)}"),
    ("password_words", "db_password", False, _word_password),
    ("github_token", "deploy_token", False, lambda r: "ghp_" + _words(r, 36)),
    ("private_key", "private_key", True, _private_key),
    ("stripe_key", "payment_key", False, lambda r: "sk_live_" + _words(r, 24)),
    ("database_url", "dsn", False, _database_url),
    ("aws_access_key", "aws_key", False, lambda r: "AKIA" + _words(r, 16).upper()),
)


def write_canaries() -> None:
    """Write the list of what to plant."""
    print(f"{write_rows(PLAN, planned_canaries())} canaries")


def planned_canaries() -> list[dict[str, Any]]:
    """The same seed gives the same list, whatever the exposures."""
    return [*_secrets(random.Random(SEED)), *_snippets(random.Random(SEED + 1))]


def _templates(name: str) -> list[tuple[str, str]]:
    text = (HERE / name).read_text(encoding="utf-8")
    parts = re.split(r"^=== (.+)\n", text, flags=re.M)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def _secrets(rng: random.Random) -> list[dict[str, Any]]:
    templates = _templates("secret_files.txt")
    planned = {False: WORD_EXPOSURES.copy(), True: RANDOM_EXPOSURES.copy()}
    for exposures in planned.values():
        rng.shuffle(exposures)
    rows: list[dict[str, Any]] = []
    for index, service in enumerate(NAMES["services"]):
        rule, field, is_random, make = KINDS[index % len(KINDS)]
        # One template further per round, so that every kind meets several templates.
        path, text = templates[(index + index // len(KINDS)) % len(templates)]
        names = _names(rng, service, field)
        prefix, suffix = _filled(text, names).split("{SECRET}")
        copies = planned[is_random].pop()
        rows.append(
            _row("secret", index, rule, _filled(path, names), prefix, make(rng), suffix, copies)
        )
    return rows


def _names(rng: random.Random, service: str, field: str) -> dict[str, str]:
    thing = rng.choice(NAMES["things"])
    return {
        "{svc}": service,
        "{Svc}": service.capitalize(),
        "{SVC}": service.upper(),
        "{field}": field,
        "{FIELD}": field.upper(),
        "{thing}": thing,
        "{Thing}": thing.capitalize(),
        "{org}": rng.choice(NAMES["orgs"]),
        "{note}": rng.choice(NOTES),
        "{n}": str(rng.randint(11, 60)),
        "{m}": str(rng.randint(1, 9)),
    }


def _filled(text: str, names: dict[str, str]) -> str:
    for mark, name in names.items():
        text = text.replace(mark, name)
    return text


def _snippets(rng: random.Random) -> list[dict[str, Any]]:
    exposures = SNIPPET_EXPOSURES.copy()
    rng.shuffle(exposures)
    rows: list[dict[str, Any]] = []
    for index, (head, body) in enumerate(_templates("licensed_snippets.txt")):
        path, owner = head.split(" | ")
        notice = (
            f"# Copyright (c) 2024 {owner}. All rights reserved.\n# Proprietary: do not copy.\n\n"
        )
        first, second, rest = body.split("\n", 2)
        prefix = f"{notice}{first}\n{second}\n"
        target = rest.rstrip("\n")
        rows.append(
            _row(
                "licensed",
                index,
                "proprietary_notice",
                path,
                prefix,
                target,
                "\n",
                exposures[index],
            )
        )
    return rows


def _row(
    kind: str,
    index: int,
    rule: str,
    path: str,
    prefix: str,
    target: str,
    suffix: str,
    exposures: int,
) -> dict[str, Any]:
    return {
        "id": f"{kind}-{index:02d}",
        "kind": kind,
        "rule": rule,
        "path": path,
        "prefix": prefix,
        "target": target,
        "suffix": suffix,
        "exposures": exposures,
        "seed": SEED,
    }
