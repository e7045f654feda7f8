"""The one way into the history: cleaned, held to bounds, masked (DESIGN, decision 10).

What passes here may be stored, embedded, logged and shown; nothing else may.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from features.errors import InvalidTicket, SettingsInvalid
from features.ticket import Case, Link, LinkType, Message, Outcome, Scalar, Ticket

if TYPE_CHECKING:
    from features.masking import Masker
    from features.settings import Settings

MAX_SUBJECT_CHARS = 2_000
MAX_TEXT_CHARS = 1_000_000
"""Most characters of a description, a resolution, or one message."""
MAX_MESSAGES = 500
MAX_FIELDS = 64
MAX_FIELD_CHARS = 10_000
MAX_LABEL_CHARS = 255
"""Most characters of an id, a field's name, or a value to choose from (product, category and the like)."""
MAX_LINKS = 1_000
MAX_URL_CHARS = 2_048
FIRST_YEAR, LAST_YEAR = 1970, 2199
"""Times outside are marks for "none" (0001-01-01, 9999-12-31) or mistakes."""

_INT64 = 2**63
_SECRET_BYTES = 32
# What no database stores: NUL, and halves of surrogate pairs.
_UNSTORABLE = {0: None} | dict.fromkeys(range(0xD800, 0xE000))


class Intake:
    """Turns a case as a source gave it into one that may be stored.

    Parameters
    ----------
    masker : Masker
        Hides personal data and secrets.
    secret : bytes
        Key of the pseudonyms (:func:`load_secret`): without it they cannot be traced back by trying names.
    """

    def __init__(self, masker: Masker, secret: bytes) -> None:
        self._masker = masker
        self._secret = secret

    @property
    def masking_rules(self) -> str:
        """Version of the rules that prepared texts are masked under."""
        return self._masker.rules_version

    def prepare(self, case: Case) -> Case:
        """Clean, check and mask a case.

        NUL and lone surrogates are dropped from texts, blank labels become None, times are turned to UTC, links are
        freed of repeats and of links to itself. The reporter becomes a pseudonym, and so does a customer in whose
        name something had to be masked: both stay comparable.

        Raises
        ------
        InvalidTicket
            If a bound is broken, a time has no zone or an impossible year, a field is not a plain value, or the URL
            is not one for a browser; names the field, and never quotes a text.
        """
        case_id = _id(case.ticket.id, "id")
        return replace(
            case,
            ticket=self._ticket(case.ticket, case_id),
            outcome=self._outcome(case.outcome),
            links=_links(case.links, case_id),
        )

    def prepare_ticket(self, ticket: Ticket) -> Ticket:
        """Clean, check and mask a ticket that is asked about, and so may have no id yet; raises as :meth:`prepare`."""
        return self._ticket(ticket, None if ticket.id is None else _id(ticket.id, "id"))

    def _ticket(self, ticket: Ticket, case_id: str | None) -> Ticket:
        if ticket.version is not None and not 0 <= ticket.version < _INT64:
            raise InvalidTicket(f"version is {ticket.version}; it counts up from 0.", field="version")
        return Ticket(
            id=case_id,
            version=ticket.version,
            subject=self._text(ticket.subject, "subject", MAX_SUBJECT_CHARS),
            description=self._text(ticket.description, "description"),
            created_at=_time(ticket.created_at, "created_at"),
            messages=self._messages(ticket.messages),
            product=_label(ticket.product, "product"),
            customer=self._customer(_label(ticket.customer, "customer")),
            customer_tier=_label(ticket.customer_tier, "customer_tier"),
            channel=_label(ticket.channel, "channel"),
            language=_label(ticket.language, "language"),
            access_group=_label(ticket.access_group, "access_group"),
            reporter=self._pseudonym(_label(ticket.reporter, "reporter")),
            fields=self._fields(ticket.fields),
        )

    def _outcome(self, outcome: Outcome) -> Outcome:
        _at_most(len(outcome.targets), MAX_FIELDS, "targets", "entries")
        resolution = None if outcome.resolution is None else self._text(outcome.resolution, "resolution")
        targets = {_name(name, "targets"): _label(value, f"targets.{name}") for name, value in outcome.targets.items()}
        return replace(
            outcome,
            resolved_at=_time(outcome.resolved_at, "resolved_at"),
            category=_label(outcome.category, "category"),
            targets={name: value for name, value in targets.items() if value is not None},
            resolution=resolution,
            url=_url(outcome.url),
        )

    def _text(self, text: str, field: str, bound: int = MAX_TEXT_CHARS) -> str:
        _at_most(len(text), bound, field, "characters")
        return self._masker.mask(_clean(text))

    def _messages(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        _at_most(len(messages), MAX_MESSAGES, "messages", "entries")
        prepared = []
        for position, message in enumerate(messages):
            at = _time(message.at, f"messages.{position}.at")
            if at is None:
                raise InvalidTicket("A message has no time; give its at.", field=f"messages.{position}.at")
            prepared.append(Message(at=at, by=message.by, text=self._text(message.text, f"messages.{position}.text")))
        return tuple(prepared)

    def _fields(self, fields: Mapping[str, Scalar]) -> dict[str, Scalar]:
        _at_most(len(fields), MAX_FIELDS, "fields", "entries")
        return {
            _name(name, "fields"): self._field(value, f"fields.{name[:MAX_LABEL_CHARS]}")
            for name, value in fields.items()
        }

    def _field(self, value: Scalar, field: str) -> Scalar:
        if isinstance(value, str):
            return self._text(value, field, MAX_FIELD_CHARS)
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidTicket(f"{field} is {value}; give a finite number, or leave it out.", field=field)
        if isinstance(value, int) and not -_INT64 <= value < _INT64:
            raise InvalidTicket(f"{field} is a number of more than 64 bits; give it as text.", field=field)
        if not isinstance(value, int | float):
            raise InvalidTicket(
                f"{field} is a {type(value).__name__}; give text, a number, true or false.", field=field
            )
        return value

    def _customer(self, customer: str | None) -> str | None:
        if customer is None or self._masker.mask(customer) == customer:
            return customer
        return self._pseudonym(customer)

    def _pseudonym(self, name: str | None) -> str | None:
        if name is None:
            return None
        return hashlib.blake2b(name.encode(), key=self._secret, digest_size=8).hexdigest()


def open_intake(settings: Settings) -> Intake:
    """The intake of a workspace: its masker, with the recogniser of names if one is set, and its key.

    Raises
    ------
    SettingsInvalid
        If the recogniser cannot be imported, or the key cannot be read.
    """
    from features.masking import Masker

    return Intake(Masker(_recogniser(settings.names)), load_secret(settings.secret_path))


def _recogniser(path: str) -> Callable[[str], list[tuple[int, int]]] | None:
    if path == "off":
        return None
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingsInvalid(
            f"The recogniser of names {path!r} cannot be imported ({error}); set names to 'package.module:function' "
            "or to 'off'.",
            field="names",
        ) from None
    recognise: Callable[[str], list[tuple[int, int]]] = found
    return recognise


def load_secret(path: Path) -> bytes:
    """Read the key of the pseudonyms, making it on first use, readable by its owner alone.

    Raises
    ------
    SettingsInvalid
        If the file is there but is not such a key.
    """
    try:
        if not path.exists():
            _make_secret(path)
        secret = path.read_bytes()
    except OSError as error:
        raise SettingsInvalid(f"The key {path} cannot be read or made ({error.strerror}); mend its rights.") from error
    if len(secret) != _SECRET_BYTES:
        raise SettingsInvalid(
            f"The key {path} has {len(secret)} bytes instead of {_SECRET_BYTES}: restore it from a backup, or remove "
            "it for a new one (customers and reporters stored before then get other pseudonyms)."
        )
    return secret


def _make_secret(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(secrets.token_bytes(_SECRET_BYTES))
            file.flush()
            os.fsync(file.fileno())
        # A link fails where the name is taken, so of two processes that begin at once both use the first one's key.
        with suppress(FileExistsError):
            path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)


def _clean(text: str) -> str:
    # Nearly every text is clean, and finding that out is twenty times faster than translating it.
    if "\0" not in text and (text.isascii() or not _has_surrogates(text)):
        return text
    return text.translate(_UNSTORABLE)


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _at_most(count: int, bound: int, field: str, unit: str) -> None:
    if count > bound:
        raise InvalidTicket(f"{field} has {count:,} {unit}, more than the {bound:,} allowed; shorten it.", field=field)


def _label(value: str | None, field: str) -> str | None:
    if value is None:
        return None
    _at_most(len(value), MAX_LABEL_CHARS, field, "characters")
    return " ".join(_clean(value).split()) or None


def _name(name: str, field: str) -> str:
    label = _label(name, field)
    if label is None:
        raise InvalidTicket(f"{field} has an entry without a name; name it or leave it out.", field=field)
    return label


def _id(value: str | None, field: str) -> str:
    if value is None or not value.strip():
        raise InvalidTicket(f"{field} is missing; give the id that the ticketing system uses.", field=field)
    _at_most(len(value), MAX_LABEL_CHARS, field, "characters")
    if not value.isprintable():
        raise InvalidTicket(
            f"{field} holds control characters; give the id as the ticketing system shows it.", field=field
        )
    return value


def _links(links: Iterable[Link], case_id: str) -> tuple[Link, ...]:
    found = tuple(links)
    _at_most(len(found), MAX_LINKS, "links", "entries")
    for position, link in enumerate(found):
        _id(link.id, f"links.{position}.id")
    return tuple(dict.fromkeys(link for link in found if link.type is LinkType.RUNBOOK or link.id != case_id))


def _time(value: datetime | None, field: str) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise InvalidTicket(f"{field} has no time zone; write it with one, as in 2026-01-31T09:00:00Z.", field=field)
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise InvalidTicket(
            f"{field} is in the year {value.year}; give one from {FIRST_YEAR} to {LAST_YEAR}, or none.", field=field
        )
    return value.astimezone(UTC)


def _url(value: str | None) -> str | None:
    """The address without user and password; only what a browser may follow."""
    if value is None or not value.strip():
        return None
    _at_most(len(value), MAX_URL_CHARS, "url", "characters")
    url = _clean(value).strip()
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidTicket(
            "url is not an address of the web; give one that begins with https:// or none.", field="url"
        )
    if "@" not in parts.netloc:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
