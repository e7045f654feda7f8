"""Phone numbers and IP addresses, and what looks like them."""

from __future__ import annotations

import time

import pytest

from features.masking import Masker

mask = Masker().mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+49 40 23125 118", "<PHONE>"),
        ("+491701234567", "<PHONE>"),
        ("0049 30 1234567", "<PHONE>"),
        ("+33 1 99 00 12 34.", "<PHONE>."),
        ("si besoin : +33 1 99 00 41 07.", "si besoin : <PHONE>."),
        ("+33199004107 et +34555010123", "<PHONE> et <PHONE>"),
        ("+49 170 1234567 030 7654321", "<PHONE> <PHONE>"),
        ("(+44 20 7946 0126)", "(<PHONE>)"),
        ("+1 202-555-0104 14 times", "<PHONE> 14 times"),
        ("call (415) 555-0132 or 555-123-4567 now", "call <PHONE> or <PHONE> now"),
        ("030 1234567 030 7654321", "<PHONE> <PHONE>"),
        ("mon numéro 01 23 45 67 89", "mon numéro <PHONE>"),
        ("Tel.: 0171/1234567", "Tel.: <PHONE>"),
        ("mi móvil es 612 34 56 78", "mi móvil es <PHONE>"),
        ("phone number: 5550123", "phone number: <PHONE>"),
    ],
)
def test_phones(text: str, masked: str):
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "2014-04-11 08:11:22,229 +0200",
        "060411 202203 task_r_22esh3",
        "08/10/2009 and (04/23/08 ) and 01-02-2013 10:20",
        "00 8a 01 54 16 96 c2 e3",
        "00400000-00401000 r-xp 00000000 08:01 3720754",
        "phone: 2013-01-01",
        "-4567890123 +0x12 GMT+0100 1.2e+10",
        "ticket 5551234567 took 1234567890 ms",
        "line 100-200-3000",
        "v0.20.203.0 and 1-2-3",
    ],
)
def test_dates_dumps_and_ids_are_no_phones(text: str):
    assert mask(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("/10.2.14.16:51605", "/<IP>:51605"),
        ("BP-1551077294-67.195.81.149-1450509060247", "BP-1551077294-<IP>-1450509060247"),
        ("peer 1.2.3.4, http://1.2.3.4/x, 2.2.2.2:80", "peer <IP>, http://<IP>/x, <IP>:80"),
        ("CMDBROKER-10.203.14.145", "CMDBROKER-<IP>"),
        ("[2001:db8::4]:2888", "[<IP>]:2888"),
        ("server fe80:0:0:0:0:0:0:1%1", "server <IP>%1"),
        ("2001:db8:41::/48: gone", "<IP>/48: gone"),
        ("to 2001:db8::7: refused", "to <IP>: refused"),
    ],
)
def test_ip_addresses(text: str, masked: str):
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "ActiveMQ 5.3.0.4, 2.7.3.1, 0.20.205.0",
        "derby-10.10.1.1.jar, db-derby-10.3.2.1-bin, openjdk-1.8.0.161",
        "version 10.3.6.0 and v11.1.0.7",
        "Oracle 10.2.0.1.0, chrome 14.0.835.163",
        "127.0.0.1 0.0.0.0 255.255.255.0 ::1 0:0:0:0:0:0:0:1 ::",
        "12:34:56 std::string d::f 00:1a:2b:3c:4d:5e 1:2:3",
    ],
)
def test_versions_loopback_and_times_are_no_addresses(text: str):
    assert mask(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "tel 030 1234567 " * 60_000,
        " ".join(f"030 {number:07}" for number in range(80_000)),
        " ".join(f"+49 30 {number:06}" for number in range(60_000)),
        " ".join(f"09999 {number:07} {number:04}" for number in range(50_000)),
    ],
)
def test_a_megabyte_of_numbers_takes_seconds_at_most(text: str):
    started = time.process_time()
    masked = mask(text)
    assert time.process_time() - started < 5  # about one on an idle machine
    assert "<PHONE>" in masked
