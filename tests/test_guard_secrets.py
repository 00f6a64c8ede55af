"""What the secret detector takes for a secret, and above all what it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_model import FILES

from server.guard.errors import OutOfTime
from server.guard.finding import Case, Finding
from server.guard.secrets import SecretDetector
from server.guard.tokens import find_tokens

STRIPE = "sk_" + "live_ErzycLqpWKT33te1pMVxP3xJ"
GITHUB = "ghp" + "_UEYAdXgtRk8e8TcAW1ZhFXotA2XK1f1HSkW0"
CANARIES = Path(__file__).parent.parent / "server" / "default_model" / "canaries.jsonl"


def find(prefix: str, suggestion: str, suffix: str = "", language: str = "python") -> list[Finding]:
    return list(SecretDetector(1000).find(Case(prefix, suggestion, suffix, language)))


@pytest.mark.parametrize("name", ["aws", "github", "password"])
def test_a_secret_that_the_tiny_model_knows_is_found_whole(name: str) -> None:
    prefix, target, suffix = FILES[name]

    found = find(prefix, target, suffix)

    assert [(one.kind, target[one.start : one.end]) for one in found] == [("secret", target)]


def test_nine_of_ten_planted_secrets_of_the_embedded_model_are_found() -> None:
    rows = [json.loads(line) for line in CANARIES.read_text(encoding="utf-8").splitlines()]
    secrets = [row for row in rows if row["kind"] == "secret"]

    missed = [r["id"] for r in secrets if not find(r["prefix"], r["target"], r["suffix"])]

    assert len(missed) <= len(secrets) / 10, missed


@pytest.mark.parametrize(
    ("prefix", "suggestion"),
    [
        ('password = "', "correct-horse-battery-41"),
        ("", f'stripe.api_key = "{STRIPE}"'),
        ("headers = {", f'"Authorization": "Bearer {GITHUB[4:]}"}}'),
        ("db = connect(", '"postgresql://copper:2Va0f18zd7KN@db.internal:5432/main")'),
        ("config = {", "'client_secret': 'b7Gm2xQ9vLw4Tz8KpR3s'}"),
        ("", "AWS_SECRET_ACCESS_KEY = 'wJalrXUtnFEMIk7MDENGbPxRfiCYzq3LmNo8Pt5a'"),
        ("token: str = ", '"8f14e45fceea167a5a36dedd4bea2543"'),
        ("api_key = ", "'3f2c1e9a-7b64-4d1d-9a55-0c8d2e6f7b13'"),
    ],
)
def test_a_real_looking_secret_is_found(prefix: str, suggestion: str) -> None:
    found = find(prefix, suggestion)

    assert [one.kind for one in found] == ["secret"]
    assert found[0].cwe == "CWE-798"


@pytest.mark.parametrize(
    "suggestion",
    [
        'password = os.environ["DATABASE_PASSWORD"]',
        'api_key = os.getenv("API_KEY_2024_PRODUCTION")',
        'API_KEY = "your-api-key-here"',
        'password = "changeme123"',
        'TOKEN = "<your token>"',
        'token = f"{user}-{nonce}"',
        'secret = "${VAULT_SECRET_2}"',
        'AWS_ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"',
        'password = "xxxxxxxxxxxxxxxx1"',
        'assert user.id == "3f2c1e9a-7b64-4d1d-9a55-0c8d2e6f7b13"',
        'checksum = "8f14e45fceea167a5a36dedd4bea2543"',
        'COMMIT = "b7ad1e0d1fd3e1ca0e4d7e4a9c0f6a8e2d5c4b3a"',
        'integrity = "sha512-Kq5sNclPz7QV2+lfQIuc6R7oRu0="',
        'password_field = "user_password_2"',
        'token_url = "https://login.example.org/oauth2/token"',
        'secret_name = "prod/billing-db-2"',
        'parser.add_argument("--password", help="the password of the user, version 2")',
        'TOKEN_TYPE = "urn:ietf:params:oauth:token-type:jwt"',
        'raise ValueError("bad password")',
        'key = "user:1234:profile"',
        'private_key_path = "~/.ssh/id_rsa2"',
        'url = "postgresql://user:password@localhost/db"',
        'url = f"postgresql://{user}:{password}@{host}/db"',
        'password = "password123"',
        'PASSWORD_REGEX = "^[A-Za-z0-9]{8,}$"',
        'ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"',
        "import base64",
        'x = "The quick brown fox jumps over the lazy dog 123"',
    ],
)
def test_what_only_resembles_a_secret_is_not_found(suggestion: str) -> None:
    assert find("import os\n", suggestion) == []


@pytest.mark.parametrize(
    ("language", "suggestion", "secret"),
    [
        ("python", "client.set_password('vqhzwkf')", "vqhzwkf"),
        ("python", "os.environ['PGPASSWORD'] = 'kwRtzp4'", "kwRtzp4"),
        ("python", "requests.get(url, auth=('ada', 'wq7!nzkp'))", "wq7!nzkp"),
        ("python", "os.getenv('DB_PASSWORD', 'hvqzkt4wm')", "hvqzkt4wm"),
        ("python", "run(['mysql', '--password', 'gdwkrzq'])", "gdwkrzq"),
        ("python", "content = 'USER=ada\\nPASS=zkvuhmq'", "zkvuhmq"),
        ("python", "# login with PGPASSWORD=kzzq7vwdhp", "kzzq7vwdhp"),
        ("python", "sql = \"CREATE ROLE ada LOGIN PASSWORD 'wkvq8zhtfp'\"", "wkvq8zhtfp"),
        ("python", 'password = "m0nkey99"', "m0nkey99"),
        ("python", 'password = "sunshine"', "sunshine"),
        ("python", 'password = "482913"', "482913"),
        ("javascript", "const db = { user: 'ada', password: 'qvkzwutdeh' }", "qvkzwutdeh"),
        ("javascript", "pg.connect('postgres://ada:qvkzwutdeh@db.internal/x')", "qvkzwutdeh"),
        ("javascript", "if (req.headers['x-api-key'] !== 'k7qw2mzx9lp4') {}", "k7qw2mzx9lp4"),
        ("typescript", "private readonly apiKey: string = 'k7qw2mzx9lp4'", "k7qw2mzx9lp4"),
        ("go", 'apiKey := "7c41e9a2-6d3f-4b58-9e07-1f8a5c2d6b93"', "7c41e9a2-6d3f"),
        ("go", 'req.SetBasicAuth("ada", "wq7nzkpx")', "wq7nzkpx"),
        ("go", 'want := "Basic YWRhOndxN256a3B4"', "YWRhOndxN256a3B4"),
        ("java", 'service.apiSecret("t9Qw2mZx9Lp4").build();', "t9Qw2mZx9Lp4"),
        ("java", 'map.put("client_secret", "t9Qw2mZx9Lp4");', "t9Qw2mZx9Lp4"),
        ("xml", "<password>vqhzwkf7</password>", "vqhzwkf7"),
        ("xml", '<add key="ApiKey" value="k7qw2mzx9lp4"/>', "k7qw2mzx9lp4"),
        ("ini", "db_password = k7Qw2mZx9Lp4", "k7Qw2mZx9Lp4"),
        ("yaml", "  api_token: k7Qw2mZx9Lp4", "k7Qw2mZx9Lp4"),
        ("c", '#define WIFI_PASS "vqhzwkf7"', "vqhzwkf7"),
        ("python", '"$2b$12$' + "e7Kq3Zx9Lp4Rt8Vw1Yb5Nc" * 2 + 'e7Kq3Zx9L"', "$2b$12$e7Kq3Zx9"),
    ],
)
def test_a_secret_is_found_however_a_language_hands_it_over(
    language: str, suggestion: str, secret: str
) -> None:
    found = find("", suggestion, language=language)

    assert [one.kind for one in found] == ["secret"]
    assert secret in suggestion[found[0].start : found[0].end]


@pytest.mark.parametrize(
    ("language", "suggestion"),
    [
        ("python", "client.set_password(new_password)"),
        ("python", "fields = ['username', 'password', 'email']"),
        ("python", "requests.get(url, auth=('user', 'pass'))"),
        ("python", "print('Password: ' + password)"),
        ("python", "token = tokenizer('AutoModelForQwen2')"),
        ("python", "'Basic authentication is required'"),
        ("python", "key = 'hash_key_2_of_the_table'"),
        ("python", "password = 'correctPassword'"),
        ("javascript", "const type = token.type === 'Punctuator'"),
        ("javascript", "password: { type: 'string', required: true }"),
        ("javascript", "$('#password').val('')"),
        ("go", 'flag.String("token", "", "the token of the account")'),
        ("go", 'os.Getenv("API_TOKEN_V2")'),
        ("java", '@Value("${spring.datasource.password}") String password;'),
        ("java", 'String publicKeyToken = "b77a5c561934e089";'),
        ("xml", '<input type="password" name="password" id="login-password"/>'),
        ("yaml", "password: !vault secret/data/db2"),
        ("yaml", "tokenizers: '>=0.23.1,<0.24'"),
        ("ini", "password = ${DB_PASSWORD}"),
        ("go", 'want := "Basic dXNlcjpwYXNz"'),
    ],
)
def test_an_ordinary_line_about_secrets_is_not_found(language: str, suggestion: str) -> None:
    assert find("", suggestion, language=language) == []


def test_the_body_of_a_private_key_is_found_without_its_first_line() -> None:
    body = "MIIEpAIBAAKCAQEA" + "q7Rw2Zx9Lp4Kt8Vw" * 3

    assert [one.rule for one in find("", f'    "{body}\\n"')] == ["private-key"]


def test_a_certificate_is_no_private_key() -> None:
    assert find("", '    "MIIDxTCCAq2gAwIBAgIQAqxcJmoLQJuPC3nyrkYldzANBgkqhkiG9w0B"') == []


def test_a_secret_is_found_again_where_it_stands_once_more() -> None:
    suggestion = f'TOKEN = "{STRIPE}"\nassert sent == "{STRIPE}"\n'

    found = find("", suggestion)

    assert [suggestion[one.start : one.end].strip('"') for one in found] == [STRIPE, STRIPE]


@pytest.mark.parametrize(
    ("suggestion", "count"),
    [
        ("# Author: Mira Halloran <mira.halloran@posteo.de>", 1),
        ("# halloran@mirahalloran.net", 1),
        ("# ask support@posteo.de", 0),
        ("mail = 'jane.doe@example.com'", 0),
        ("git clone git@github.com:unsay/unsay.git", 0),
        ("@pytest.mark.slow", 0),
        ("icon@2x.png and x@y.zz", 0),
        ("postgres://ada@db.internal.net/x", 0),
    ],
)
def test_only_a_plausible_address_of_a_person_is_found(suggestion: str, count: int) -> None:
    found = find("", suggestion)

    assert [(one.rule, one.severity) for one in found] == [("personal-email", "low")] * count


def test_an_address_that_stands_in_the_users_file_is_not_found() -> None:
    assert find("# mira.halloran@posteo.de\n", "# mira.halloran@posteo.de") == []


def test_input_without_an_end_is_given_up_in_time() -> None:
    with pytest.raises(OutOfTime):
        SecretDetector(20).find(Case("", "basic aGVsbG86d29ybGQx " * 60_000, "", "python"))


def test_a_secret_that_the_user_has_already_written_is_not_found() -> None:
    prefix = f'OLD = "{STRIPE}"\nstripe.api_key = "'

    assert find(prefix, STRIPE, '"\n') == []


def test_a_secret_that_the_user_began_is_found_in_the_part_that_is_suggested() -> None:
    found = find(f'TOKEN = "{GITHUB[:10]}', GITHUB[10:], '"')

    assert [(one.start, one.end) for one in found] == [(0, len(GITHUB) - 10)]


def test_the_body_of_a_private_key_is_found_when_its_first_line_stands_before_it() -> None:
    prefix = 'KEY = """-----BEGIN RSA PRIVATE KEY-----\n'

    found = find(prefix, "MIIEowIBAAKCAQEAz7QV2lfQIuc6R7oRu0sNclPz\n")

    assert [one.rule for one in found] == ["private-key"]


def test_a_whole_literal_is_replaced_by_a_look_up_in_the_environment() -> None:
    suggestion = f'stripe.api_key = "{STRIPE}"\n'

    (found,) = find("import os, stripe\n", suggestion)

    assert suggestion[found.start : found.end] == f'"{STRIPE}"'
    assert found.replacement == 'os.environ["STRIPE_API_KEY"]'


def test_inside_a_quote_that_the_user_typed_a_name_to_fill_in_is_offered() -> None:
    (found,) = find('API_KEY = "', STRIPE, '"\n')

    assert found.replacement == "YOUR_API_KEY"
    assert find('API_KEY = "', "YOUR_API_KEY", '"\n') == []


def test_nothing_is_offered_where_the_user_typed_the_beginning_of_the_value() -> None:
    (found,) = find('API_KEY = "' + STRIPE[:4], STRIPE[4:], '"\n')

    assert found.replacement is None


def test_javascript_reads_its_own_environment() -> None:
    (found,) = find("", f"const apiKey = '{STRIPE}';", language="javascript")

    assert found.replacement == "process.env.API_KEY"


def test_an_unquoted_value_is_found_in_a_settings_file() -> None:
    found = find("", "DB_PASSWORD=k7Qw2mZx9Lp4\n", language="dotenv")

    assert [one.rule for one in found] == ["secret-in-a-literal"]


def test_no_message_repeats_the_secret() -> None:
    for prefix, target, suffix in FILES.values():
        for found in find(prefix, target, suffix):
            assert target[found.start : found.end] not in found.message


def test_a_provider_token_inside_a_longer_word_is_not_one() -> None:
    assert list(find_tokens(f"prefix{GITHUB}")) == []
