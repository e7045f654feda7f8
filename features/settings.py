"""Settings: read once at the border, checked, passed down as one frozen object.

Sources, later ones win: the defaults below, ``precedent.toml`` in the workspace, environment variables
``PRECEDENT_<NAME>`` (upper case; nested names with two underscores: ``PRECEDENT_SERVICE__PORT``). An unknown key is an
error. No other module reads the environment.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_core import ErrorDetails

from features.errors import SettingsInvalid

DEFAULT_ENCODER = "all-MiniLM-L6-v2"
HASHING_ENCODER = "hashing"
_PREFIX = "PRECEDENT_"
_SECRET = re.compile(r"key|secret|password|token|url")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServiceSettings(_Section):
    """The served process: address, certificate and key (PEM files) for TLS, limits (bytes, seconds, counts)."""

    host: str = "127.0.0.1"
    port: int = Field(default=8440, ge=0, le=65535)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    max_body_bytes: int = Field(default=1_048_576, ge=1024, le=67_108_864)
    max_batch: int = Field(default=100, ge=1, le=100)
    timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    max_concurrency: int = Field(default=64, ge=1, le=4096)
    max_wait_seconds: float = Field(default=1.0, gt=0, le=60)
    rate_per_second: float | None = Field(default=None, gt=0, le=100_000)
    rate_burst: int = Field(default=20, ge=1, le=100_000)
    poll_seconds: float = Field(default=0.25, gt=0, le=60)
    snapshot_seconds: float = Field(default=300.0, gt=0)
    require_key: bool = True
    encoder_threads: int = Field(default=2, ge=1, le=64)


class IndexSettings(_Section):
    """The case index: what its vectors may take of memory, in MiB."""

    memory_mb: int = Field(default=3072, ge=1, le=16_777_216)

    @property
    def memory_bytes(self) -> int:
        """The same in bytes."""
        return self.memory_mb * 2**20


class DraftingSettings(_Section):
    """A language model that drafts summaries of resolutions; without ``url`` there is none.

    Attributes
    ----------
    url : str or None
        Base of an API that speaks OpenAI's chat completions, as in ``http://127.0.0.1:11434/v1``.
    model : str
        Name by which that API knows the model.
    api_key : SecretStr or None
        Better given as ``PRECEDENT_DRAFTING__API_KEY`` than written into a file.
    timeout_seconds : float
        How long a suggestion waits for its drafts.
    """

    url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+\S*$")
    model: str = Field(default="default", min_length=1)
    api_key: SecretStr | None = None
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)


class TracingSettings(_Section):
    """Traces of requests by OpenTelemetry; without ``url`` there are none.

    Attributes
    ----------
    url : str or None
        Where a collector takes OTLP over HTTP, as in ``http://127.0.0.1:4318/v1/traces``.
    sample_ratio : float
        Share of the requests that are traced; a caller who sends a ``traceparent`` has decided already.
    """

    url: str | None = Field(default=None, pattern=r"^https?://[^\s/]+\S*$")
    sample_ratio: float = Field(default=1.0, ge=0, le=1)


class JournalSettings(_Section):
    """The journal: after how many days its entries are removed by the service; None keeps them."""

    retention_days: int | None = Field(default=None, ge=1, le=36_500)


class OidcSettings(_Section):
    """An OpenID Connect issuer whose tokens people may come with; without ``issuer`` there is none.

    Attributes
    ----------
    issuer : str or None
        As tokens name it in ``iss``; its keys are found from here.
    audience : str or None
        What tokens must name in ``aud``.
    scopes_claim : str
        Claim that holds a person's roles, by its name or as a path with dots.
    scopes : dict of str to tuple of str
        What each role may do; what is not here may nothing.
    groups_claim : str or None
        Claim that holds the access groups whose cases a person may see, beside those of no group.
    sees_all_groups : bool
        Whether everybody may see the cases of every group.
    leeway_seconds : float
        How far the clocks may be apart.
    """

    issuer: str | None = None
    audience: str | None = Field(default=None, min_length=1)
    scopes_claim: str = Field(default="scope", min_length=1)
    scopes: dict[str, tuple[Literal["suggest", "write", "report", "admin"], ...]] = {}
    groups_claim: str | None = Field(default=None, min_length=1)
    sees_all_groups: bool = False
    leeway_seconds: float = Field(default=30.0, ge=0, le=300)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.issuer is None:
            return self
        if not is_trusted_url(self.issuer):
            raise ValueError("the issuer must be an https:// URL (http:// only on this machine)")
        if self.audience is None or not self.scopes:
            raise ValueError("an issuer needs an audience, and scopes that say what its roles may do")
        if self.sees_all_groups and self.groups_claim is not None:
            raise ValueError("give groups_claim or sees_all_groups, not both")
        return self


class Settings(_Section):
    """Everything that can be set.

    Attributes
    ----------
    workspace : Path
        Folder that holds everything Precedent writes.
    database_url : str or None
        SQLAlchemy URL of the history; None means ``history.db`` in the workspace.
    encoder : str
        A sentence-transformers model by name or folder, or ``hashing`` (no semantics; for tests).
    encoder_precision : "int8" or "fp32"
        Of the encoder's weights, from the next training run on; ``fp32`` takes twice the time.
    mlflow_url : str or None
        An MLflow server that keeps runs and registry for several machines; None means SQLite in the workspace. MLflow
        reads credentials for it from its own environment variables.
    system : str
        The ticketing system whose ids the service speaks; with the id it identifies a ticket.
    names : "off" or dotted path
        A recogniser of personal names for masking: ``package.module:function``, text to character spans.
    taxonomy : Path or None
        File that says which labels are answered, merged and retired; None means ``taxonomy.toml`` in the workspace,
        where it is there.
    training : dict
        Parameters of every training run, by name; :mod:`training.params` checks them.
    """

    workspace: Path = Path("workspace")
    database_url: str | None = None
    encoder: str = DEFAULT_ENCODER
    encoder_precision: Literal["int8", "fp32"] = "int8"
    mlflow_url: str | None = Field(default=None, pattern=r"^https?://[^\s/@]+(/\S*)?$")
    system: str = Field(default="default", pattern=r"^[a-z0-9_.-]{1,64}$")
    names: str = "off"
    taxonomy: Path | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    service: ServiceSettings = ServiceSettings()
    index: IndexSettings = IndexSettings()
    drafting: DraftingSettings = DraftingSettings()
    tracing: TracingSettings = TracingSettings()
    journal: JournalSettings = JournalSettings()
    oidc: OidcSettings = OidcSettings()
    training: dict[str, Any] = {}

    @property
    def history_url(self) -> str:
        """SQLAlchemy URL of the history."""
        return self.database_url or f"sqlite:///{(self.workspace / 'history.db').resolve()}"

    @property
    def releases_dir(self) -> Path:
        """Folder of immutable releases, with the pointer ``CURRENT``."""
        return self.workspace / "releases"

    @property
    def encoders_dir(self) -> Path:
        """Folder of exported encoders, one subfolder a fingerprint."""
        return self.workspace / "encoders"

    @property
    def tuning_dir(self) -> Path:
        """Folder of encoder tuning: checkpoints, the tuned weights and the pointer to them."""
        return self.workspace / "tuning"

    @property
    def index_dir(self) -> Path:
        """Folder of index snapshots, one subfolder an encoder fingerprint."""
        return self.workspace / "index"

    @property
    def reports_dir(self) -> Path:
        """Folder of reports, figures and ids only, one subfolder a release."""
        return self.workspace / "reports"

    @property
    def exports_dir(self) -> Path:
        """Folder of pages that a person exported, with masked texts of tickets."""
        return self.workspace / "exports"

    @property
    def rejects_dir(self) -> Path:
        """Folder of reject files, one an import."""
        return self.workspace / "rejects"

    @property
    def mlflow_dir(self) -> Path:
        """Folder of the MLflow database and its artifacts."""
        return self.workspace / "mlflow"

    @property
    def recipe_path(self) -> Path:
        """What the last search of training parameters chose."""
        return self.workspace / "recipe.toml"

    @property
    def taxonomy_path(self) -> Path:
        """File of the taxonomy, there or not."""
        return self.taxonomy or self.workspace / "taxonomy.toml"

    @property
    def secret_path(self) -> Path:
        """File with the key that pseudonyms are made with."""
        return self.workspace / "secret.key"


def is_trusted_url(url: str) -> bool:
    """Whether what comes from a URL is from whom it names: over TLS, or from this machine."""
    parts = urlsplit(url)
    is_local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and is_local))


def load_settings(workspace: Path | str | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of a workspace.

    Parameters
    ----------
    workspace : path, optional
        Wins over ``PRECEDENT_WORKSPACE``; default ``./workspace``.
    environ : mapping, optional
        Stands in for ``os.environ`` in tests.

    Raises
    ------
    SettingsInvalid
        If a file cannot be parsed, a key is unknown or a value is out of bounds; names the key and the value.
    """
    env = os.environ if environ is None else environ
    folder = Path(workspace if workspace is not None else env.get("PRECEDENT_WORKSPACE", "workspace"))
    values = _read_toml(folder / "precedent.toml")
    _merge(values, _from_environ(env))
    values["workspace"] = folder
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsInvalid(
            f"Setting {name} is wrong: {first['msg']}{_shown(first)}; "
            f"mend it in {folder / 'precedent.toml'} or in {_PREFIX}{name.upper().replace('.', '__')}.",
            field=name,
        ) from None


def _shown(error: ErrorDetails) -> str:
    """The offending value, where it is no secret: one may also stand under a name that is misspelt, or as a section."""
    may_be_secret = _SECRET.search(str(error["loc"][-1])) or error["type"] in ("extra_forbidden", "model_type")
    return "" if may_be_secret else f" (got {error['input']!r})"


def _read_toml(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"The settings file {path} is not valid TOML: {error}; mend or remove it.") from None


def _from_environ(env: Mapping[str, str]) -> dict[str, Any]:
    known = set(Settings.model_fields)
    values: dict[str, Any] = {}
    for name, value in env.items():
        path = name.removeprefix(_PREFIX).lower().split("__") if name.startswith(_PREFIX) else []
        # Only names of settings count: PRECEDENT_DATA and the like belong to others.
        if not path or path[0] not in known or path[0] == "workspace":
            continue
        inner = values
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
        inner[path[-1]] = value
    return values


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value
