"""What a backup is: a zip archive of a workspace's files with a manifest that names each and its SHA-256.

A zip and no tar: its members are read by name, hold bytes only (no link, no device), and a manifest can be written
last and read first.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

FORMAT_VERSION: Final = 1
MANIFEST: Final = "BACKUP.json"
MAX_MANIFEST_BYTES: Final = 64 * 2**20
HISTORY: Final = "history.db"
REGISTRY: Final = "mlflow/mlflow.db"
IMMUTABLE: Final = ("releases/", "encoders/", "mlflow/artifacts/")
"""Folders whose files never change, so that equal ones may share their bytes on disk."""


def inside(path: str) -> str:
    """A path relative to a workspace, as it came.

    Raises
    ------
    ValueError
        If it could mean anything outside of the workspace, or not mean the same everywhere.
    """
    parts = path.split("/")
    if not path or PurePosixPath(path).is_absolute() or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{path!r} is no plain path inside of a workspace")
    if not path.isprintable() or "\\" in path:
        raise ValueError(f"{path!r} holds a character that no file of a workspace has")
    return path


Inside = Annotated[str, AfterValidator(inside)]


class BackedUpFile(BaseModel):
    """One file: the hash and length of its bytes, its rights, and the member that holds them."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)
    mode: int = Field(ge=0, le=0o777)
    member: Inside


class BackupManifest(BaseModel):
    """``BACKUP.json`` of a backup.

    Attributes
    ----------
    has_history : bool
        False where the history is kept in a database of its own, with a backup of its own.
    change : int or None
        Highest change number of the history.
    release : str or None
        The release that is served.
    files : dict
        By path in the workspace. Equal files share a member.
    digest : str
        SHA-256 of the manifest without it (:func:`features.release_check.manifest_digest`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int
    made_by: str
    made_at: AwareDatetime
    has_history: bool
    change: int | None
    release: str | None
    files: dict[Inside, BackedUpFile]
    digest: str = ""

    def to_json(self) -> dict[str, Any]:
        """The same in JSON's types."""
        return self.model_dump(mode="json")
