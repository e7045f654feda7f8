"""The one way into the history: cleaned, held to bounds, masked (DESIGN, decision 10).

What passes here may be stored, embedded, logged and shown; nothing else may.
"""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from features.errors import InvalidTicket, SettingsInvalid
from features.intake_checks import (
    INT64,
    MAX_FIELD_CHARS,
    MAX_FIELDS,
    MAX_MESSAGES,
    MAX_SUBJECT_CHARS,
    MAX_TEXT_CHARS,
    check_count,
    checked_id,
    checked_label,
    checked_links,
    checked_name,
    checked_time,
    checked_url,
    cleaned,
)
from features.ticket import Case, Message, Outcome, Scalar, Ticket

if TYPE_CHECKING:
    from features.masking import Masker
    from features.runbooks import Runbook, RunbookSection
    from features.settings import Settings

__all__ = ["MAX_FIELDS", "MAX_MESSAGES", "MAX_SUBJECT_CHARS", "MAX_TEXT_CHARS", "Intake", "load_secret", "open_intake"]

_SECRET_BYTES = 32


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

    def mask(self, text: str) -> str:
        """Clean and mask words about a ticket that are no part of it."""
        return self._masker.mask(cleaned(text))

    def pseudonym(self, name: str) -> str:
        """Stand-in for a name, always the same one: 16 hexadecimal digits that only the key leads back from."""
        return hashlib.blake2b(name.encode("utf-8", "replace"), key=self._secret, digest_size=8).hexdigest()

    def prepare(self, case: Case) -> Case:
        """Clean, check and mask a case.

        NUL and lone surrogates are dropped from texts, blank labels become None, times are turned to UTC, links are
        freed of repeats and of links to itself. The reporter becomes a pseudonym, and so does a customer in whose
        name something had to be masked: both stay comparable.

        Raises
        ------
        InvalidTicket
            If a bound is broken, a time has no zone, lies before 1970 or is yet to come, a field is not a plain value,
            or the URL is not one for a browser; names the field, and never quotes a text.
        """
        case_id = checked_id(case.ticket.id, "id")
        return Case(
            ticket=self.prepare_ticket(case.ticket),
            outcome=self._outcome(case.outcome),
            links=checked_links(case.links, case_id) if case.links else (),
            system=case.system,
        )

    def prepare_ticket(self, ticket: Ticket) -> Ticket:
        """Clean, check and mask a ticket that is asked about, and so may have no id yet; raises as :meth:`prepare`."""
        if ticket.version is not None and not 0 <= ticket.version < INT64:
            raise InvalidTicket(f"version is {ticket.version}; it counts up from 0.", field="version")
        return Ticket(
            id=None if ticket.id is None else checked_id(ticket.id, "id"),
            version=ticket.version,
            subject=self._text(ticket.subject, "subject", MAX_SUBJECT_CHARS),
            description=self._text(ticket.description, "description"),
            created_at=checked_time(ticket.created_at, "created_at"),
            messages=self._messages(ticket.messages),
            product=checked_label(ticket.product, "product"),
            customer=self._customer(checked_label(ticket.customer, "customer")),
            customer_tier=checked_label(ticket.customer_tier, "customer_tier"),
            channel=checked_label(ticket.channel, "channel"),
            language=checked_label(ticket.language, "language"),
            access_group=checked_label(ticket.access_group, "access_group"),
            reporter=self._pseudonym(checked_label(ticket.reporter, "reporter")),
            fields=self._fields(ticket.fields),
        )

    def prepare_runbook(self, runbook: Runbook) -> Runbook:
        """Mask the title, the headings and the texts of a runbook; its id, owner and links stay as they are."""
        return replace(
            runbook, title=self.mask(runbook.title), sections=tuple(self._section(each) for each in runbook.sections)
        )

    def _section(self, section: RunbookSection) -> RunbookSection:
        heading = self.mask(section.heading)
        # The anchor is made of the heading's words.
        anchor = section.anchor if heading == section.heading else ""
        return replace(section, heading=heading, text=self.mask(section.text), anchor=anchor)

    def _outcome(self, outcome: Outcome) -> Outcome:
        check_count(len(outcome.targets), MAX_FIELDS, "targets", "entries")
        resolution = None if outcome.resolution is None else self._text(outcome.resolution, "resolution")
        targets = {
            checked_name(name, "targets"): checked_label(value, f"targets.{name}")
            for name, value in outcome.targets.items()
        }
        return Outcome(
            status=outcome.status,
            resolved_at=checked_time(outcome.resolved_at, "resolved_at"),
            category=checked_label(outcome.category, "category"),
            severity=outcome.severity,
            targets={name: value for name, value in targets.items() if value is not None},
            resolution=resolution,
            outcome=outcome.outcome,
            url=self._url(outcome.url),
        )

    def _url(self, value: str | None) -> str | None:
        """An address whose query and fragment are masked: they are no part of the page's name, and hold whatever."""
        url = checked_url(value)
        if url is None:
            return None
        length = next((place for place, char in enumerate(url) if char in "?#"), len(url))
        return url[:length] + self.mask(url[length:]).replace("<", "%3C").replace(">", "%3E")

    def _text(self, text: str, field: str, bound: int = MAX_TEXT_CHARS) -> str:
        check_count(len(text), bound, field, "characters")
        return self.mask(text)

    def _messages(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        check_count(len(messages), MAX_MESSAGES, "messages", "entries")
        prepared = []
        for position, message in enumerate(messages):
            at = checked_time(message.at, f"messages.{position}.at")
            if at is None:
                raise InvalidTicket("A message has no time; give its at.", field=f"messages.{position}.at")
            prepared.append(Message(at=at, by=message.by, text=self._text(message.text, f"messages.{position}.text")))
        return tuple(prepared)

    def _fields(self, fields: Mapping[str, Scalar]) -> dict[str, Scalar]:
        check_count(len(fields), MAX_FIELDS, "fields", "entries")
        named = {self.mask(checked_name(name, "fields")): value for name, value in fields.items()}
        return {name: self._field(value, f"fields.{name}") for name, value in named.items()}

    def _field(self, value: Scalar, field: str) -> Scalar:
        if isinstance(value, str):
            return self._text(value, field, MAX_FIELD_CHARS)
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidTicket(f"{field} is {value}; give a finite number, or leave it out.", field=field)
        if isinstance(value, int) and not -INT64 <= value < INT64:
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
        return None if name is None else self.pseudonym(name)


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
