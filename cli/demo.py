"""``precedent demo``: from nothing to a served suggestion on the sample data."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.common import progress, say, settings_of, workspace_option
from features.errors import PrecedentError, Refused, ReleaseRefused, Unavailable

if TYPE_CHECKING:
    from features.history import History
    from features.settings import Settings

_READY_SECONDS = 60.0
_KEY_LABEL = "demo"


@click.command()
@click.option("--once", is_flag=True, help="Stop the service after the suggestion.")
@workspace_option
def demo(once: bool, workspace: Path | None) -> None:
    """Import the sample history, train, evaluate, index, serve, and ask about a new ticket.

    What is already done is not done again. The service runs until Ctrl-C, or stops at once with --once.
    """
    settings = settings_of(workspace, make=True)
    samples = samples_folder()
    _import_samples(settings, samples)
    release, report = _train_if_needed(settings)
    key = _demo_key(settings)
    with _served(settings) as url:
        body = (samples / "new_ticket.json").read_text(encoding="utf-8")
        _show_ticket(json.loads(body)["ticket"])
        _show_suggestion(_ask(url, key, body))
        _show_places(settings, release, report, url, key, samples, running=not once)
        if not once:
            _wait()
    if once:
        click.echo("The service is stopped. 'make demo' leaves it running.")


def samples_folder() -> Path:
    """Folder of the sample data: beside this package in a wheel, in the checkout otherwise."""
    here = Path(__file__).parent
    for folder in (here / "data_samples", here.parent / "data_samples"):
        if folder.is_dir():
            return folder
    raise Unavailable("The folder data_samples is missing from this installation: install Precedent again.")


def _import_samples(settings: Settings, samples: Path) -> None:
    from features.history import History
    from features.importing import import_tickets
    from features.intake import open_intake
    from features.runbook_sources import read_runbooks
    from features.sources import open_source
    from features.sources.mapping import load_mapping

    source = open_source("jsonl", samples / "tickets.jsonl", load_mapping(samples / "mapping.toml"))
    with closing(History.open(settings.history_url)) as history:
        _check_no_other_history(settings, history, samples)
        intake = open_intake(settings)
        result = import_tickets(
            source.rows(),
            history,
            intake,
            system=settings.system,
            rejects_path=settings.rejects_dir / "data_samples.jsonl",
        )
        read = read_runbooks(samples / "runbooks").runbooks
        runbooks = history.replace_runbooks([intake.prepare_runbook(runbook) for runbook in read])
        total = len(history.runbooks())
    say(
        f"1  History: {result.read} tickets read ({result.inserted} new, {result.unchanged} as they were), "
        f"{total} runbooks ({runbooks.added} new)."
    )


def _check_no_other_history(settings: Settings, history: History, samples: Path) -> None:
    """Invented tickets must not end up among real ones."""
    with (samples / "tickets.jsonl").open(encoding="utf-8") as lines:
        first_id = json.loads(next(lines))["id"]
    n_tickets = history.count().tickets
    if n_tickets and history.case(first_id, system=settings.system) is None:
        raise Refused(
            f"The workspace {settings.workspace} holds {n_tickets:,} tickets of its own: give the demo a folder of its "
            "own with --workspace."
        )


def _train_if_needed(settings: Settings) -> tuple[str, Path]:
    """Train and promote, unless the champion has learned from this very history."""
    from training.export import export_page

    champion = _learned_champion(settings)
    if champion is not None:
        say(f"2  Release {champion} has learned from this history already.")
        return champion, export_page(settings, champion)
    say("2  Training, evaluation and report (the first time also the export of the encoder; a minute or two)")
    from training.params import load_params
    from training.promotion import promote
    from training.run import train

    with progress("Embedding tickets") as bar:
        made = train(settings, load_params(None, kept=settings.training), say=lambda line: say(f"   {line}"), bar=bar)
    promote(settings, made.release_id, force=True)
    for line in made.headlines:
        say(f"   {line}")
    return made.release_id, export_page(settings, made.release_id)


def _learned_champion(settings: Settings) -> str | None:
    """The champion, if it has learned from this very history, and this version of Precedent can read it."""
    from features.history import History
    from features.release import current_release_id, load_release

    champion = current_release_id(settings.releases_dir)
    if champion is None:
        return None
    with closing(History.open(settings.history_url)) as history:
        last_change = history.last_change()
    try:
        release = load_release(settings.releases_dir / champion)
    except ReleaseRefused as refusal:
        say(f"   {refusal.message}")
        return None
    return champion if release.manifest["data"]["last_change"] == last_change else None


def _demo_key(settings: Settings) -> str:
    """A fresh key for this run; the one of an earlier demo is revoked."""
    from features.history import History
    from serving.keys import create_key, list_keys, revoke_key

    with closing(History.open(settings.history_url)) as history:
        for known in list_keys(history):
            if known.label == _KEY_LABEL and known.revoked_at is None:
                revoke_key(history, known.key_id)
        return create_key(history, label=_KEY_LABEL, scopes=("suggest", "write", "report"), groups=()).token


@contextmanager
def _served(settings: Settings) -> Iterator[str]:
    """The service as a process of its own, stopped on the way out; gives its URL once it is ready."""
    port = settings.service.port if _is_free(settings.service.host, settings.service.port) else 0
    command = [sys.executable, "-m", "cli.main", "serve", "--workspace", str(settings.workspace), "--json"]
    started = time.monotonic()
    log = settings.workspace / "service.log"
    with log.open("ab") as stderr:
        process = subprocess.Popen(  # noqa: S603
            [*command, "--port", str(port)], stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    try:
        url = _url_of(process, log)
        say(f"3  Service ready at {url} after {time.monotonic() - started:.1f} s.")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()


def _url_of(process: subprocess.Popen[str], log: Path) -> str:
    """The URL that the service prints, as JSON, when it is ready."""
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        process.wait(timeout=_READY_SECONDS)
        raise Unavailable(f"The service did not start; {log} says why.")
    return str(json.loads(line)["url"])


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _ask(url: str, key: str, body: str) -> dict[str, Any]:
    request = urllib.request.Request(  # noqa: S310  # our own service, on the loopback address
        f"{url}/v1/suggest",
        data=body.encode(),
        headers={"Content-Type": "application/json", "X-API-Key": key},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        raise PrecedentError(f"The service answered {error.code}: {error.read().decode()}") from None


def _show_ticket(ticket: dict[str, Any]) -> None:
    click.echo("\nA new ticket comes in:\n")
    click.echo(f"  {ticket['subject']}")
    for line in str(ticket["description"]).splitlines():
        click.echo(f"  | {line}")
    click.echo("\nPrecedent answers:\n")


def _show_suggestion(answer: dict[str, Any]) -> None:
    from cli.suggestion_text import render_suggestion
    from serving.schemas import Suggestion

    click.echo(render_suggestion(Suggestion.model_validate(answer)))


def _show_places(
    settings: Settings, release: str, report: Path, url: str, key: str, samples: Path, *, running: bool
) -> None:
    click.echo(f"\nReport      {report}")
    click.echo(f"MLflow      {settings.mlflow_dir / 'mlflow.db'} (release {release})")
    click.echo(f"            see it with: mlflow ui --backend-store-uri sqlite:///{settings.mlflow_dir / 'mlflow.db'}")
    if running:
        click.echo(f"Service     {url} (its log: {settings.workspace / 'service.log'})")
        body = shlex.quote(f"@{samples / 'new_ticket.json'}")
        click.echo(
            f"            curl -s {url}/v1/suggest -H 'X-API-Key: {key}' -H 'Content-Type: application/json' -d {body}"
        )


def _wait() -> None:
    click.echo("\nThe service runs until you press Ctrl-C.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        click.echo("Stopped.")
