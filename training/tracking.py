"""The one door to MLflow: runs, the registry, and the aliases ``challenger`` and ``champion``.

The store is SQLite in the workspace, or the server that the setting ``mlflow_url`` names. A release is logged as a
pyfunc model without pickle (``loader_module``), so that ``mlflow.pyfunc.load_model("models:/precedent@champion")``
answers suggestions.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

from features.errors import Unavailable, UnknownRelease
from features.registry_tables import CHAMPION, EXPERIMENT, MODEL_NAME, RELEASE_TAG, artifact_root, relocate
from features.settings import Settings

__all__ = ["CHALLENGER", "CHAMPION", "EXPERIMENT", "MODEL_NAME", "RecordedRun", "RegisteredRelease", "Tracker"]

CHALLENGER = "challenger"
_NOT_THERE = ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")  # the first is what an unknown alias gets


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """Where MLflow keeps a training run."""

    run_id: str
    version: str
    tracking_uri: str


@dataclass(frozen=True, slots=True)
class RegisteredRelease:
    """A version of the model; ``release_id`` is None where it was registered by something else."""

    version: str
    release_id: str | None


class Tracker:
    """MLflow on the workspace's own SQLite store, or on a server."""

    def __init__(self, settings: Settings) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        with warnings.catch_warnings():
            # MLflow warns about type hints of its own when its pyfunc module is imported.
            warnings.simplefilter("ignore", UserWarning)
            import mlflow
            import mlflow.pyfunc
            from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        # A server keeps artifacts where it was told to.
        self._artifacts = None if settings.mlflow_url else artifact_root(settings.mlflow_dir)
        self.uri = settings.mlflow_url or _own_store(settings)
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        self._mlflow = mlflow
        self._client = MlflowClient(self.uri, self.uri)

    def record(
        self,
        release_folder: Path,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        artifacts: Path | None,
    ) -> RecordedRun:
        """Log a run, register its release, and make it the challenger.

        Parameters
        ----------
        release_folder : Path
            A written release; its folder name is its id.
        metrics : mapping of str to float
            Figures; those that are NaN are left out, since they were not measured.
        artifacts : Path, optional
            Folder of reports with figures and ids only, no ticket text.
        """
        release_id = release_folder.name
        experiment = self._client.get_experiment_by_name(EXPERIMENT)
        experiment_id = (
            experiment.experiment_id
            if experiment
            else self._client.create_experiment(EXPERIMENT, artifact_location=self._artifacts)
        )
        with self._mlflow.start_run(experiment_id=experiment_id, run_name=release_id) as run:
            self._mlflow.log_params({name: str(value) for name, value in params.items()})
            self._mlflow.log_metrics({name: value for name, value in metrics.items() if value == value})
            self._mlflow.set_tags({RELEASE_TAG: release_id, **tags})
            if artifacts is not None:
                self._mlflow.log_artifacts(str(artifacts), artifact_path="report")
            info = self._mlflow.pyfunc.log_model(
                name="release",
                loader_module="training.pyfunc",
                data_path=str(release_folder),
                pip_requirements=[f"precedent=={package_version('precedent')}"],
            )
        version = self._register(info, release_id)
        self._client.set_registered_model_alias(MODEL_NAME, CHALLENGER, version)
        return RecordedRun(run_id=run.info.run_id, version=version, tracking_uri=self.uri)

    def _register(self, info: Any, release_id: str) -> str:
        """Make a version of the model, with its release named from the start; gives its number."""
        if not self._client.search_registered_models(f"name = '{MODEL_NAME}'"):
            self._client.create_registered_model(MODEL_NAME)
        made = self._client.create_model_version(
            MODEL_NAME,
            info.model_uri,
            run_id=info.run_id,
            tags={RELEASE_TAG: release_id},
            await_creation_for=0,
            model_id=info.model_id,
        )
        return str(made.version)

    def release_of(self, alias: str) -> str | None:
        """Release id of an alias; None where the alias is not set. Raises as :meth:`registered` does."""
        found = self.registered(alias)
        return found.release_id if found else None

    def registered(self, alias: str) -> RegisteredRelease | None:
        """The version that an alias names; None where the alias is not set.

        Raises
        ------
        Unavailable
            If the registry cannot be read.
        """
        try:
            found = self._client.get_model_version_by_alias(MODEL_NAME, alias)
        except self._mlflow.exceptions.MlflowException as error:
            if error.error_code in _NOT_THERE:
                return None
            way_out = "restore it from a backup, or move it away and train again"
            if self._artifacts is None:
                way_out = "check that it runs and that this machine may reach it (setting mlflow_url)"
            raise Unavailable(
                f"The MLflow registry {self.uri} cannot be read ({error.error_code}); {way_out}."
            ) from error
        return RegisteredRelease(str(found.version), found.tags.get(RELEASE_TAG))

    def download(self, version: str, into: Path) -> Path:
        """Fetch a version's files; gives the folder that holds its release, whose checks are the caller's.

        Raises
        ------
        Unavailable
            If they cannot be fetched.
        """
        try:
            folder = self._mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{MODEL_NAME}/{version}",
                dst_path=str(into),
                tracking_uri=self.uri,
                registry_uri=self.uri,
            )
        except (self._mlflow.exceptions.MlflowException, OSError) as error:
            raise Unavailable(
                f"Version {version} of {MODEL_NAME} cannot be fetched from {self.uri} ({type(error).__name__}); check "
                "that the server hands out artifacts (mlflow server --serve-artifacts) and that the disk has room."
            ) from error
        return Path(folder) / "data"

    def set_champion(self, release_id: str) -> None:
        """Point the alias ``champion`` at a release.

        Raises
        ------
        UnknownRelease
            If no version of the model holds that release.
        """
        versions = self._client.search_model_versions(f"name = '{MODEL_NAME}'")
        version = next((v.version for v in versions if v.tags.get(RELEASE_TAG) == release_id), None)
        if version is None:
            raise UnknownRelease(
                f"The MLflow registry has no version with the release {release_id!r}; "
                "'precedent train' registers one, 'precedent doctor' lists what is there."
            )
        self._client.set_registered_model_alias(MODEL_NAME, CHAMPION, version)


def _own_store(settings: Settings) -> str:
    """URI of the workspace's own SQLite store, with its addresses in step with where it lies."""
    settings.mlflow_dir.mkdir(parents=True, exist_ok=True)
    database = (settings.mlflow_dir / "mlflow.db").resolve()
    relocate(database, artifact_root(settings.mlflow_dir))
    return f"sqlite:///{database}"
