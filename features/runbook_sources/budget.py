"""How much is read of one library: a small archive can hold archives and pages for any disk and memory."""

from __future__ import annotations

from features.errors import SourceUnreadable

MAX_INNER_ARCHIVES = 100
MAX_INNER_BYTES = 2_000_000_000
"""All archives inside an archive together (Notion packs large exports so)."""
MAX_PAGE_BYTES = 500_000_000
"""All pages together."""


class Budget:
    """What is left to read of a library. Who reads takes from it before it keeps what it read.

    It ends the import instead of leaving pages out, since half a library would remove the other half.
    """

    def __init__(self) -> None:
        self._archives = MAX_INNER_ARCHIVES
        self._inner_bytes = MAX_INNER_BYTES
        self._page_bytes = MAX_PAGE_BYTES

    def take_archive(self, n_bytes: int) -> None:
        """Take an archive inside the archive.

        Raises
        ------
        SourceUnreadable
            If there are more archives, or more bytes in them, than are left.
        """
        self._archives -= 1
        self._inner_bytes -= n_bytes
        if self._archives < 0:
            raise SourceUnreadable(
                f"The archive holds more than {MAX_INNER_ARCHIVES} archives; unpack them and give the folder."
            )
        if self._inner_bytes < 0:
            raise SourceUnreadable(
                f"The archives inside the archive have more than {MAX_INNER_BYTES} bytes together; unpack them and "
                "give the folder."
            )

    def take_page(self, n_bytes: int) -> None:
        """Take a page, or what was read of one.

        Raises
        ------
        SourceUnreadable
            If it has more bytes than are left.
        """
        self._page_bytes -= n_bytes
        if self._page_bytes < 0:
            raise SourceUnreadable(
                f"The library's pages have more than {MAX_PAGE_BYTES} bytes together; give only the part that holds "
                "the runbooks."
            )
