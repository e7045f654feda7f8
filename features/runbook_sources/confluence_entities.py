"""The objects of Confluence's ``entities.xml``, read front to back in constant memory."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO
from xml.parsers import expat

from features.errors import SourceUnreadable
from features.runbook_sources.page_files import read_some

MAX_EXPORT_BYTES = 4_000_000_000
_BLOCK_BYTES = 1 << 18
# Confluence writes characters that XML does not allow.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(slots=True)
class Entity:
    """An object of the export.

    Attributes
    ----------
    texts : dict of str to str
        Properties that hold text.
    ids : dict of str to list of str
        Properties and collections that point to other objects.
    has_cut_text : bool
        Whether a property was longer than the bound, and was cut.
    """

    kind: str
    id: str = ""
    texts: dict[str, str] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)
    has_cut_text: bool = False

    def points_to(self, name: str) -> str | None:
        """The one object that a property points to."""
        return next(iter(self.ids.get(name, ())), None)


def read_entities(file: IO[bytes], kinds: frozenset[str], max_text_chars: int) -> Iterator[Entity]:
    """Read the objects of some classes.

    Raises
    ------
    SourceUnreadable
        If the file is no XML, breaks off, declares entities of its own (which can stand for gigabytes), or is larger
        than ``MAX_EXPORT_BYTES``.
    """
    reader = _Reader(kinds, max_text_chars)
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    n_bytes = 0
    try:
        while data := read_some(file, _BLOCK_BYTES):
            n_bytes += len(data)
            if n_bytes > MAX_EXPORT_BYTES:
                raise ValueError(f"it has more than {MAX_EXPORT_BYTES} bytes")
            reader.feed(decoder.decode(data))
            yield from reader.taken()
        reader.feed(decoder.decode(b"", final=True), is_last=True)
        yield from reader.taken()
    except (expat.ExpatError, ValueError, OSError) as error:
        raise SourceUnreadable(
            f"The export's entities.xml cannot be read whole ({error}); export the space again."
        ) from None


class _Reader:
    def __init__(self, kinds: frozenset[str], max_text_chars: int) -> None:
        self._kinds = kinds
        self._max_chars = max_text_chars
        self._done: list[Entity] = []
        self._entity: Entity | None = None
        self._depth = 0
        self._property = ""
        self._text: list[str] = []
        self._n_chars = 0
        self._parser = expat.ParserCreate("utf-8")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.EntityDeclHandler = self._refuse_declaration

    def feed(self, text: str, *, is_last: bool = False) -> None:
        self._parser.Parse(_NOT_XML.sub("", text).encode(), is_last)

    def taken(self) -> list[Entity]:
        done, self._done = self._done, []
        return done

    def _refuse_declaration(self, *_: object) -> None:
        raise ValueError("it declares entities, which no export of Confluence does")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        # Root, object, property or collection, what that holds: depths 0 to 3 and on.
        if self._depth == 1 and name == "object" and attributes.get("class") in self._kinds:
            self._entity = Entity(attributes["class"])
        elif self._depth == 2:
            self._property = attributes.get("name", "") if name in ("property", "collection") else ""
        self._depth += 1
        self._text, self._n_chars = [], 0

    def _characters(self, text: str) -> None:
        if self._entity is None:
            return
        self._n_chars += len(text)
        if self._n_chars <= self._max_chars:
            self._text.append(text)
        else:
            self._entity.has_cut_text = True

    def _end(self, name: str) -> None:
        self._depth -= 1
        entity, text = self._entity, "".join(self._text).strip()
        if entity is None:
            return
        if self._depth == 1:
            self._done.append(entity)
            self._entity = None
        elif name == "id" and self._depth == 2:
            entity.id = text
        elif name == "id":
            entity.ids.setdefault(self._property, []).append(text)
        elif name == "property" and self._depth == 2:
            entity.texts[self._property] = text
        self._text = []
