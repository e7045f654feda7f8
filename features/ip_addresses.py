"""IPv4 and IPv6 addresses in text, told from versions, times, MAC addresses and C++ names.

Loopback, ``0.0.0.0`` and net masks stay: they name nobody, and they often are the problem.
"""

from __future__ import annotations

import ipaddress

from features.linear_regex import Edit, Pattern

IP = b"<IP>"

IPV4_TRIGGER = r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"
_IPV4 = Pattern(r"\b[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\b")
# What may stand right before an address that would pass for a version (`2.7.3.1`, `1.2.3.4`).
_ADDRESS_BEFORE = Pattern(
    r"(?i)(?:[/@=\[]|\bip(?:v4)?(?: addr(?:ess)?)?[ :=-]*|\b(?:addr(?:ess)?|host)[ :=]*|\b(?:from|peer|client)[ :]*)$"
)
_VERSION_BEFORE = Pattern(r"(?i)\b(?:v(?:er(?:s(?:ion)?)?)?|release|versions?:?)[ .:=]{0,2}$")
_NAME_BEFORE = Pattern(r"[\pL]-$")
_CONTEXT = 24

IPV6_TRIGGER = r"(?i)[0-9a-f]::|::[0-9a-f]|(?:[0-9a-f]{1,4}:){5}"
_IPV6 = Pattern(
    r"(?i)(?:[0-9a-f]{1,4}:|::)(?:[0-9a-f]{0,4}:){1,7}(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9a-f]{1,4})?"
    r"|[0-9a-f]{1,4}::[0-9a-f]{1,4}"
)
# `d::f` may be C++; nobody's address is that short.
_MIN_IPV6_DIGITS = 5


def ipv4_addresses(data: bytes) -> list[Edit]:
    """IPv4 addresses that may name somebody's machine."""
    return [(start, end, IP) for start, end in _IPV4.spans(data) if _is_ipv4(data, start, end)]


def _is_ipv4(data: bytes, start: int, end: int) -> bool:
    octets = [int(octet) for octet in data[start:end].split(b".")]
    if max(octets) > 255 or octets[0] in (0, 127, 255):
        return False
    before, after, then = data[max(0, start - _CONTEXT) : start], data[end : end + 1], data[end + 1 : end + 2]
    # Five numbers or more, or a name that goes on.
    if before.endswith(b".") or (after == b"." and then.isalnum()) or _VERSION_BEFORE.occurs(before):
        return False
    # `db-derby-10.10.1.1-bin` is a version, `broker-10.203.14.145` is not.
    if _NAME_BEFORE.occurs(before) or (after == b"-" and then.isalpha()):
        return octets[0] >= 10 and max(octets) >= 100
    # Small numbers throughout: as likely a version as an address, so something must say address.
    if octets[0] < 10 and max(octets) < 64:
        return after in (b":", b"/") or (after != b"-" and _ADDRESS_BEFORE.occurs(before))
    return True


def ipv6_addresses(data: bytes) -> list[Edit]:
    """IPv6 addresses that may name somebody's machine."""
    edits: list[Edit] = []
    for start, longest in _IPV6.spans(data):
        # A colon that ends a clause is none of the address's.
        end = longest - (data[start:longest].endswith(b":") and not data[start:longest].endswith(b"::"))
        before, after = data[start - 1 : start], data[longest : longest + 1]
        if not (_is_word(before) or before == b":" or _is_word(after)) and _is_ipv6(data[start:end]):
            edits.append((start, end, IP))
    return edits


def _is_word(char: bytes) -> bool:
    return char.isalnum() or char == b"_"


def _is_ipv6(written: bytes) -> bool:
    text = written.decode("ascii")
    if sum(char.isalnum() for char in text) < _MIN_IPV6_DIGITS or not any(char.isdigit() for char in text):
        return False
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return False
    inner = address.ipv4_mapped
    return not (address.is_loopback or address.is_unspecified or (inner is not None and inner.is_loopback))
