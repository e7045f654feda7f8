"""Log lines as JSON on standard error. They hold no text of a ticket and no path as it was sent."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime

_FIELDS = "fields"


def set_up(level: str) -> None:
    """Send every log of the process through :class:`JsonFormatter`.

    Parameters
    ----------
    level : str
        ``debug``, ``info``, ``warning`` or ``error``, for our own; libraries speak from ``warning`` on.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("precedent").setLevel(level.upper())


def log(logger: logging.Logger, level: int, message: str, **fields: object) -> None:
    """Log a message with named values beside it."""
    logger.log(level, message, extra={_FIELDS: fields})


class JsonFormatter(logging.Formatter):
    """One JSON object a line. Of an exception only its type and where it was: messages may quote values."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__name__
            line["where"] = [
                f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(record.exc_info[2])
            ]
        return json.dumps(line, default=str)
