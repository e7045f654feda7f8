"""Tokens that vary are replaced, tokens that identify stay and are found."""

from __future__ import annotations

import pytest

from features.identifiers import MAX_IDENTIFIERS, find_identifiers
from features.volatile import without_volatile


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("123e4567-e89b-12d3-a456-426614174000", "uuid"),
        ("2026-01-05T08:14:22.123Z", "time"),
        ("05/Jan/2026:11:10:44 +0000", "time"),
        ("Mon, 5 Jan 2026 11:10:44 GMT", "time"),
        ("on 2026-01-05 at 9:30 pm", "on date at time"),
        ("am 5.1.2026 um 9:30", "am date um time"),
        ("from 203.0.113.9:443 to 10.2.3.4", "from ip to ip"),
        ("<IP>:8020 <EMAIL> <NAME> <URL_CREDENTIALS>@h", "ip email name credentials@h"),
        ("pc=0x9c41fe Object@6d06d69c", "pc=hex Object@hex"),
        ("commit 9f86d081884c7d65", "commit hex"),
        ("req_8f2c, evt_5521 and run-9", "req_id, evt_id and run_id"),
        ("blk_1897961957_824575827", "blk_id"),
        ("attempt_201207030001_0001_m_000002_0", "attempt_id"),
        ("len=134217728 0.123456789", "len=number"),
        ("12:00:01, 12:00:02, 12:00:03", "time"),
        ("hadoop-common-2.7.3.jar", "hadoop-common.jar"),
        ("Mozilla/5.0 Chrome/120.0.6099.109", "Mozilla Chrome"),
        ("mail ann@example.com", "mail email"),
        ("00:1a:2b:3c:4d:5e", "mac"),
    ],
)
def test_volatile_tokens(text: str, plain: str):
    assert without_volatile(text) == plain
    assert without_volatile(plain) == plain


@pytest.mark.parametrize(
    "text",
    [
        "CBL-4012 ORA-00942 HDFS-11841 CVE-2014-0085 0x80070005",
        "version 2.7.3.1, Console 2025.10, edge 3.8 to 3.14",
        "HTTP 502 on port 8443, 20 of 1,000 calls, 30003 ms",
        "utf-8 sha-256 us-east-1 x86_64 log4j2-api i18n",
        "the deadbeef and effaced facade",
        "https://github.com/apache/activemq/blob/trunk/activemq-karaf-itest/src/test/resources/org/apache/activemq/karaf",
        "",
    ],
)
def test_what_identifies_stays(text: str):
    assert without_volatile(text) == text


def test_identifiers_in_order():
    lines = [
        "CBL-4012 again, like HDFS-1314",
        "POST /v3 returned 502, SSS_TIME_LIMIT_EXCEEDED, ECONNREFUSED, 0x80070005; UTF-8 and SHA-256",
        "java.io.IOException: x",
        "\tat a.b.Sync.run(Sync.java:7)",
        "requests.HTTPError: CBL-4012",
    ]
    assert find_identifiers(lines) == (
        "CBL-4012",
        "HDFS-1314",
        "SSS_TIME_LIMIT_EXCEEDED",
        "ECONNREFUSED",
        "0x80070005",
        "HTTP 502",
        "IOException",
        "HTTPError",
        "Sync.run",
    )


def test_identifiers_are_few():
    assert len(find_identifiers([f"CBL-{number}" for number in range(1000, 1100)])) == MAX_IDENTIFIERS
    assert find_identifiers(["how do I change my name"]) == ()


@pytest.mark.parametrize("code", ["E7741", "AADSTS50011", "LNK2019", "SQLSTATE 42P01", "TLS1_ALERT_48", "ORA-00942"])
def test_codes_without_a_separator_identify(code: str):
    assert find_identifiers([f"It shows {code}, and stops"]) == (code,)


def test_standards_and_dates_are_no_codes():
    assert find_identifiers(["UTF-8, SHA256, RFC2119, ISO8859-1, FY2026, SEP2025, JDK11, EC2, IPV4"]) == ()
    assert find_identifiers(["signed with SHA-RSA-256 in US-EAST-1 and EU-CENTRAL-1"]) == ()


def test_codes_of_several_parts_are_taken_whole():
    found = find_identifiers(["ERR-LBL-7 on the printer, CVE-2024-12345 in its firmware, FT-99182"])
    assert found == ("ERR-LBL-7", "CVE-2024-12345", "FT-99182")
