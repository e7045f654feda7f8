"""The one tree of errors.

::

    PrecedentError (500)
    ├── InvalidInput (400)            what the caller sent cannot be used
    │   ├── UnknownField (400)
    │   ├── InvalidTicket (422)       well formed, but breaks a bound
    │   ├── InvalidFilter (422)       well formed, but nothing could pass
    │   ├── KeyReused (422)           an idempotency key that came with another body before
    │   ├── BodyTooLarge (413)
    │   └── WrongContentType (415)
    ├── Unauthenticated (401)         no key, or a wrong one
    ├── Forbidden (403)               a key without the scope
    ├── NotFound (404)
    │   ├── UnknownCase (404)
    │   ├── UnknownRelease (404)
    │   └── UnknownRequest (404)
    ├── MethodNotAllowed (405)
    ├── Conflict (409)                true at another time, not now
    │   └── EncoderMismatch (409)     an index or vectors of another encoder
    ├── Overloaded (503)
    ├── TooManyRequests (429)         more than one key may send
    ├── Unavailable (503)             a part that the answer needs is not there
    │   ├── HistoryUnavailable (503)
    │   │   └── HistoryFull (507)     no room left to store
    │   └── NoRelease (503)
    ├── DeadlineExceeded (504)
    ├── ReleaseRefused (500)          a release that fails its checks
    ├── BackupRefused (400)           a backup that fails its checks
    ├── IndexDamaged (500)            a snapshot that fails its checks
    ├── EncoderRefused (500)          weights that fail their checks
    ├── SourceUnreadable (400)        a file to import that cannot be opened or understood at all
    ├── MappingInvalid (400)          a mapping file that is wrong
    ├── TaxonomyInvalid (400)         a taxonomy file that is wrong
    ├── SettingsInvalid (400)
    ├── NotEnoughData (409)           too little to train or to measure
    └── Refused (409)                 a gate said no

Each message is one sentence that names the thing, shows the offending value and says the way out. The HTTP status and
the machine-readable code sit on the class; messages never hold the text of a ticket.
"""

from __future__ import annotations

from typing import ClassVar


class PrecedentError(Exception):
    """Base of every error that Precedent raises on purpose.

    Parameters
    ----------
    message : str
        One sentence for a person: what, which value, what to do.
    field : str or None
        The input's field at fault, dotted (``ticket.messages.0.at``), where there is one.
    """

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidInput(PrecedentError):
    """What the caller sent cannot be used."""

    status = 400
    code = "invalid_input"


class UnknownField(InvalidInput):
    """A field that the contract does not have."""

    code = "unknown_field"


class InvalidTicket(InvalidInput):
    """A ticket that is well formed but breaks a bound."""

    status = 422
    code = "invalid_ticket"


class InvalidFilter(InvalidInput):
    """A filter that is well formed but that nothing could pass."""

    status = 422
    code = "invalid_filter"


class KeyReused(InvalidInput):
    """An idempotency key that came with another request before."""

    status = 422
    code = "idempotency_key_reused"


class BodyTooLarge(InvalidInput):
    """A request body above the limit."""

    status = 413
    code = "body_too_large"


class WrongContentType(InvalidInput):
    """A request body that is not application/json."""

    status = 415
    code = "wrong_content_type"


class Unauthenticated(PrecedentError):
    """No API key, or a wrong, expired or revoked one."""

    status = 401
    code = "unauthenticated"


class Forbidden(PrecedentError):
    """A key without the scope that the route needs."""

    status = 403
    code = "forbidden"


class NotFound(PrecedentError):
    """Something named that is not there."""

    status = 404
    code = "not_found"


class UnknownCase(NotFound):
    """A case id that the history does not hold."""

    code = "unknown_case"


class UnknownRelease(NotFound):
    """A release id that the workspace does not hold."""

    code = "unknown_release"


class UnknownRequest(NotFound):
    """A request id that the journal does not hold."""

    code = "unknown_request"


class MethodNotAllowed(PrecedentError):
    """A path that is there, asked with a method that it does not take; ``allowed`` are those that it does."""

    status = 405
    code = "method_not_allowed"

    def __init__(self, message: str, *, allowed: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed = allowed


class Conflict(PrecedentError):
    """True at another time, not now."""

    status = 409
    code = "conflict"


class EncoderMismatch(Conflict):
    """An index or vectors made by another encoder, or by other text rules."""

    code = "encoder_mismatch"


class Overloaded(PrecedentError):
    """More requests than the service takes at once; ``retry_seconds`` is when to try again."""

    status = 503
    code = "overloaded"

    def __init__(self, message: str, *, retry_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class TooManyRequests(PrecedentError):
    """More requests of one key than it may send; ``retry_seconds`` is when to try again."""

    status = 429
    code = "too_many_requests"

    def __init__(self, message: str, *, retry_seconds: float) -> None:
        super().__init__(message)
        self.retry_seconds = retry_seconds


class Unavailable(PrecedentError):
    """A part that the answer needs is not there."""

    status = 503
    code = "unavailable"


class HistoryUnavailable(Unavailable):
    """The history's database does not answer."""

    code = "history_unavailable"


class HistoryFull(HistoryUnavailable):
    """The history's database has no room to grow."""

    status = 507
    code = "history_full"


class NoRelease(Unavailable):
    """No release is promoted yet."""

    code = "no_release"


class DeadlineExceeded(PrecedentError):
    """The time limit of a request has passed."""

    status = 504
    code = "deadline_exceeded"


class ReleaseRefused(PrecedentError):
    """A release that fails its checks: hash, missing or foreign file, unknown format."""

    code = "release_refused"


class BackupRefused(PrecedentError):
    """A backup that fails its checks: hash, missing member, path out of the workspace, unknown format."""

    status = 400
    code = "backup_refused"


class IndexDamaged(PrecedentError):
    """An index snapshot that fails its checks."""

    code = "index_damaged"


class EncoderRefused(PrecedentError):
    """Encoder weights that fail their checks."""

    code = "encoder_refused"


class SourceUnreadable(PrecedentError):
    """A file to import that cannot be opened or understood at all."""

    status = 400
    code = "source_unreadable"


class MappingInvalid(PrecedentError):
    """A mapping file that is wrong."""

    status = 400
    code = "mapping_invalid"


class TaxonomyInvalid(PrecedentError):
    """A taxonomy file that is wrong."""

    status = 400
    code = "taxonomy_invalid"


class SettingsInvalid(PrecedentError):
    """A setting that is unknown or out of bounds."""

    status = 400
    code = "settings_invalid"


class NotEnoughData(PrecedentError):
    """Too little to train or to measure."""

    status = 409
    code = "not_enough_data"


class Refused(PrecedentError):
    """A gate said no."""

    status = 409
    code = "refused"
