"""``precedent doctor``: what is missing or wrong, and how to mend it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from cli.common import json_option, print_json, workspace_option
from features.errors import PrecedentError

if TYPE_CHECKING:
    from features.settings import Settings

State = Literal["ok", "warn", "wrong"]
_MIN_FREE_BYTES = 1_000_000_000
_MARKS: dict[State, str] = {"ok": "ok   ", "warn": "warn ", "wrong": "WRONG"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at, what was found, and what mends it where it is not well."""

    name: str
    state: State
    found: str
    mend: str | None = None


@click.command()
@workspace_option
@json_option
def doctor(workspace: Path | None, as_json: bool) -> int:
    """Look at the workspace and the installation; exits 1 when something is wrong."""
    from features.settings import load_settings

    settings = load_settings(workspace)
    # Looking for what is in a workspace would make one that is not there.
    checks = _CHECKS if settings.workspace.is_dir() else (_workspace,)
    findings = [finding for check in checks for finding in _run(check, settings)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{_MARKS[finding.state]}  {finding.name}: {finding.found}")
            if finding.mend:
                click.echo(f"       → {finding.mend}")
    return int(any(finding.state == "wrong" for finding in findings))


def _run(check: Callable[[Settings], Iterator[Finding]], settings: Settings) -> Iterator[Finding]:
    try:
        yield from check(settings)
    except PrecedentError as error:
        yield Finding(check.__name__.strip("_").replace("_", " "), "wrong", error.message)


def _workspace(settings: Settings) -> Iterator[Finding]:
    if not settings.workspace.is_dir():
        yield Finding("workspace", "wrong", f"{settings.workspace} is not there", "run 'precedent demo' or an import")
        return
    free = shutil.disk_usage(settings.workspace).free
    enough = free >= _MIN_FREE_BYTES
    yield Finding(
        "workspace",
        "ok" if enough else "warn",
        f"{settings.workspace}, {free / 1e9:.1f} GB free",
        None if enough else "make room: imports, training and snapshots need it",
    )


def _history(settings: Settings) -> Iterator[Finding]:
    from features.history import History

    with closing(History.open(settings.history_url)) as history:
        counts = history.count()
    if not counts.tickets:
        yield Finding("history", "warn", "holds no tickets", "precedent import tickets PATH --source jira|jsonl|csv")
        return
    yield Finding(
        "history",
        "ok",
        f"{counts.tickets:,} tickets, {counts.resolved:,} resolved, {counts.links:,} links, {counts.runbooks} runbooks",
    )
    if not counts.runbooks:
        yield Finding("runbooks", "warn", "none imported", "precedent import runbooks DIR")


def _taxonomy(settings: Settings) -> Iterator[Finding]:
    from features.history import History
    from features.taxonomy_file import workspace_taxonomy

    if settings.taxonomy is None and not settings.taxonomy_path.exists():
        return
    taxonomy = workspace_taxonomy(settings)
    with closing(History.open(settings.history_url)) as history:
        of_tickets = history.labels()
    for target, rules in ((None, taxonomy.category), *taxonomy.targets.items()):
        labels = {category if target is None else targets.get(target) for category, targets in of_tickets} - {None}
        allowed = "any label" if rules.allowed is None else f"{len(rules.allowed):,} labels"
        found = (
            f"{settings.taxonomy_path}, {target or 'category'}: {allowed}, {len(rules.merged)} merged, "
            f"{len(rules.retired)} retired"
        )
        if not of_tickets:
            yield Finding("taxonomy", "ok", found)
        elif target is not None and not labels:
            yield Finding("taxonomy", "warn", f"{found}; no ticket has that target", "mend its name, or remove it")
        elif unmatched := rules.unmatched(label for label in labels if label is not None):
            names = ", ".join(map(repr, unmatched))
            yield Finding("taxonomy", "warn", f"{found}; no ticket has {names}", "mend the spelling, or remove them")
        else:
            yield Finding("taxonomy", "ok", found)


def _encoder(settings: Settings) -> Iterator[Finding]:
    from features.encoder import load_encoder
    from features.settings import HASHING_ENCODER
    from training.tuned_encoder import read_tuned, weights_folder

    if settings.encoder == HASHING_ENCODER:
        yield Finding("encoder", "warn", "the hashing encoder knows no meaning", "set encoder to a real model")
        return
    folders = sorted(path for path in settings.encoders_dir.glob("*") if path.is_dir())
    for folder in folders:
        encoder = load_encoder(folder)
        yield Finding("encoder", "ok", f"{encoder.fingerprint} in {folder}, {encoder.dimension} dimensions")
    if tuned := read_tuned(settings):
        weights_folder(settings, tuned)
        found = f"training uses {tuned.fingerprint}, tuned on tickets until {tuned.learned_until:%Y-%m-%d}"
        yield Finding("tuned encoder", "ok", found, "precedent train --base-encoder goes back to the settings' encoder")
    if not folders:
        yield Finding("encoder", "warn", f"{settings.encoder} is not exported yet", "precedent train exports it")


def _release(settings: Settings) -> Iterator[Finding]:
    from features.release import current_release_id, load_release

    current = current_release_id(settings.releases_dir)
    if current is None:
        yield Finding("release", "warn", "none is promoted", "precedent train, then precedent promote")
        return
    load_release(settings.releases_dir / current)
    yield Finding("release", "ok", f"{current} is served, every file's hash is right")


def _registry(settings: Settings) -> Iterator[Finding]:
    from features.release import current_release_id

    if settings.mlflow_url is None and not (settings.mlflow_dir / "mlflow.db").exists():
        yield Finding("registry", "warn", "MLflow has no record yet", "precedent train")
        return
    if find_spec("mlflow") is None:
        yield Finding("registry", "warn", "mlflow is not installed", "pip install 'precedent[train]'")
        return
    from training.tracking import CHAMPION, Tracker

    champion, current = Tracker(settings).release_of(CHAMPION), current_release_id(settings.releases_dir)
    if champion is None and current is None:
        yield Finding("registry", "ok", "no champion yet, and no release that is served")
    elif champion == current:
        yield Finding("registry", "ok", f"the champion {champion} is the release that is served")
    else:
        yield Finding(
            "registry",
            "wrong",
            f"the champion is {champion}, but {current} is served",
            "precedent follow" if settings.mlflow_url else f"precedent promote {champion or current}",
        )


def _index(settings: Settings) -> Iterator[Finding]:
    from features.history import History
    from features.release import current_release_id
    from serving.assemble import assemble

    if current_release_id(settings.releases_dir) is None:
        return
    with closing(History.open(settings.history_url)) as history:
        last = history.last_change()
    with closing(assemble(settings)) as parts:
        index = parts.suggester.index
        yield Finding("index", "ok", f"{len(index):,} cases, at change {index.watermark} of {last}")


def _keys(settings: Settings) -> Iterator[Finding]:
    from datetime import UTC, datetime

    from features.history import History
    from serving.keys import list_keys

    with closing(History.open(settings.history_url)) as history:
        valid = [key for key in list_keys(history) if key.is_valid(datetime.now(UTC))]
    if valid:
        yield Finding("keys", "ok", f"{len(valid)} valid")
    else:
        yield Finding("keys", "warn", "none is valid, so nobody may call", "precedent keys create --label NAME")


_CHECKS = (_workspace, _history, _taxonomy, _encoder, _release, _registry, _index, _keys)
