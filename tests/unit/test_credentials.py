"""Secrets by their surroundings and by their vendor's prefix."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.masking import Masker
from features.vendor_keys import ODD_PREFIXES, WORDLIKE_PREFIXES

mask = Masker().mask

HEX = "0123456789abcdef" * 4
MIXED = "A1b2C3d4E5f6G7h8" * 4


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2", "password=<PASSWORD>"),
        ("spring.datasource.password: s3cret!", "spring.datasource.password: <PASSWORD>"),
        ("Password: hunter\nthen", "Password: <PASSWORD>\nthen"),
        ('{"password": "two words"}', '{"password": "<PASSWORD>"}'),
        (r"{\"pwd\":\"abc\"}", r"{\"pwd\":\"<PASSWORD>\"}"),
        ("Mein Passwort ist Sommer2024!", "Mein Passwort ist <PASSWORD>"),
        ("Kennwort: Geheim7", "Kennwort: <PASSWORD>"),
        ("la contraseña es Gato99", "la contraseña es <PASSWORD>"),
        ("mot de passe : Été2025", "mot de passe : <PASSWORD>"),
        ("<password>abc</password>", "<password><PASSWORD></password>"),
        ("<name>a.password</name>\n<value>abc</value>", "<name>a.password</name>\n<value><PASSWORD></value>"),
        ('<property name="password" value="x1"/>', '<property name="password" value="<PASSWORD>"/>'),
        ("password=Not-A-Real-Pw-77", "password=<PASSWORD>"),
        ("client_secret=abc123def", "client_secret=<KEY>"),
        ("AccountKey=abcd1234==;EndpointSuffix=x", "AccountKey=<KEY>;EndpointSuffix=x"),
        ("?token=abc123def456&page=2", "?token=<KEY>&page=2"),
        ("?sv=2022&sig=abc%2Fdef123", "?sv=2022&sig=<KEY>"),
        ("X-Api-Key: 9c1f0a7b", "X-Api-Key: <KEY>"),
        ("DB_PASS=s3cr3tPa55", "DB_PASS=<PASSWORD>"),
        ("user ann, pass: hunter2x!", "user ann, pass: <PASSWORD>"),
        ("pw: Sommer2024.", "pw: <PASSWORD>."),
        ("passcode: 492817, thanks", "passcode: <PASSWORD>, thanks"),
        ("dbpass='correct-horse9'", "dbpass='<PASSWORD>'"),
        ("apikey 8f3c2d1e4b5a69788796a5b4c3d2e1f0", "apikey <KEY>"),
        ("our token is 8f3c2d1e4b5a69788796a5b4c3d2e1f0.", "our token is <KEY>."),
        ("the secret aB3dE5gH7jK9mN1pQ3sT", "the secret <KEY>"),
        ("secret_key_base: 8f3c2d1e4b5a6978", "secret_key_base: <KEY>"),
    ],
)
def test_pairs(text: str, masked: str):
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "password: it does not work",
        "The password is not accepted. Password is wrong!",
        "password = getPassword(conf);",
        "password = conf.password;",
        "password=${DB_PASSWORD} password={{ pw }} password: ****",
        "secret: null, token: HDFS_DELEGATION_TOKEN",
        "PWD=/home/me",
        "reset password",
        "pass: 12, fail: 3",
        "pass: 12.5ms pass=100% bypass: on-site2 pass: yes Pass: 3/4",
        "first pass: v2.3.1-rc1 works",
        "pass: the second-pass2",
        "pw: password",
        "token HDFS_DELEGATION_TOKEN_RENEWER",
        "the token authentication-handler-2024-01 expired",
        "basic authentication, Basic functionality, basic auth12345678",
        "the secret: https://vault.example/x",
        "wrong password> but was: <x",
        "authorization: the user is unknown",
        "bearer token is missing",
        "Set-Cookie: auth=; Path=/; Expires=Thu, 01-Jan-1970",
    ],
)
def test_talk_and_code_about_secrets_stay(text: str):
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abc.def.ghi", "Authorization: Bearer <KEY>"),
        ("-H 'Authorization: Basic dXNlcjpwYXNz'", "-H 'Authorization: Basic <KEY>'"),
        ("Authorization: Digest username=x, response=y", "Authorization: Digest <KEY>"),
        ("I sent Basic YW5uOnNlY3JldA== to it", "I sent Basic <KEY> to it"),
        ("sent bearer abcdefgh12345678 twice", "sent bearer <KEY> twice"),
        ("Cookie: JSESSIONID=qd9i8tuccuam; a=b", "Cookie: JSESSIONID=<KEY>"),
        ("curl -X POST -u admin:hunter2 https://x", "curl -X POST -u admin:<PASSWORD> https://x"),
        ("https://user:pa@ss@db.example/x", "https://<URL_CREDENTIALS>@db.example/x"),
        ("postgresql+psycopg://u:p@h", "postgresql+psycopg://<URL_CREDENTIALS>@h"),
        ("https://0123456789abcdef0123@sentry.example/1", "https://<URL_CREDENTIALS>@sentry.example/1"),
        ("tcp://broker:1234@61616 up", "tcp://broker:1234@61616 up"),
        ("https://host:8080/x", "https://host:8080/x"),
    ],
)
def test_headers_and_urls(text: str, masked: str):
    assert mask(text) == masked


def test_private_keys():
    key = f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{MIXED}\n-----END RSA PRIVATE KEY-----"
    assert mask(f"a {key} b {key} c") == "a <KEY> b <KEY> c"
    assert mask(f"cut off: -----BEGIN PRIVATE KEY-----\n{MIXED}\n{MIXED}==\nIt fails") == "cut off: <KEY>\nIt fails"
    assert mask(f"-----BEGIN PUBLIC KEY-----\n{HEX}") == f"-----BEGIN PUBLIC KEY-----\n{HEX}"


SAMPLES = {
    "AWS access key id": "AKIA" + "IOSFODNN7EXAMPLE",
    "GitHub": "ghp_" + MIXED[:36],
    "GitLab": "glpat-" + MIXED[:20],
    "Slack": "xoxb-" + "123456789012-" + MIXED[:24],
    "Slack webhook": "hooks.slack.com/services/" + "T00000000/B00000000/" + MIXED[:24],
    "Stripe": "rk_live_" + MIXED[:24],
    "Google": "AIza" + MIXED[:35],
    "Azure client secret": "abc8Q~" + MIXED[:34],
    "npm": "npm_" + MIXED[:36],
    "Hugging Face": "hf_" + MIXED[:34],
    "SendGrid": "SG." + MIXED[:22] + "." + MIXED[:43],
    "Twilio": "SK" + HEX[:32],
    "Shopify": "shpat_" + HEX[:32],
    "DigitalOcean": "dop_v1_" + HEX,
    "Databricks": "dapi" + HEX[:32],
    "Atlassian": "ATATT3" + MIXED,
    "HashiCorp Vault": "hvs." + MIXED[:24],
    "Docker": "dckr_pat_" + MIXED[:27],
    "Grafana": "glsa_" + MIXED[:32],
    "New Relic": "NRAK-" + MIXED[:27],
    "Telegram": "123456789:AA" + MIXED[:33],
    "JSON web token": "eyJhbGciOiJub25lIn0." + "eyJzdWIiOiIxIn0.",
    "OpenAI, Anthropic": "sk-proj-" + MIXED[:40],
    "PyPI": "pypi-AgEI" + MIXED[:40],
    "any vendor": "acme_live_" + MIXED[:24],
}


@pytest.mark.parametrize("vendor", [*ODD_PREFIXES, *WORDLIKE_PREFIXES])
def test_every_vendor(vendor: str):
    assert mask(f"with {SAMPLES[vendor]} it fails") == "with <KEY> it fails"


@pytest.mark.parametrize(
    "text", ["sk-learn-contrib-imbalanced-learn", "test_foo_live_concurrentupdates", "eyJ is base64"]
)
def test_words_that_look_like_keys_stay(text: str):
    assert mask(text) == text


def test_every_vendor_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "text.md").read_text(encoding="utf-8")
    assert not [vendor for vendor in (*ODD_PREFIXES, *WORDLIKE_PREFIXES) if vendor not in page]
