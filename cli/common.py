"""What every verb shares: the workspace option, JSON output, progress on a terminal and in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from features.errors import NotFound

if TYPE_CHECKING:
    from features.settings import Settings

workspace_option = click.option(
    "--workspace",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Folder that holds everything Precedent writes (default: ./workspace, or PRECEDENT_WORKSPACE).",
)
system_option = click.option(
    "--system",
    callback=lambda _context, _parameter, value: _checked_system(value),
    default=None,
    help="Name of the ticketing system; with the id it identifies a ticket (default: the setting 'system').",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object for a program to read.")


def tune_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--tune-encoder`` and ``--tune-minutes``."""
    minutes = click.option(
        "--tune-minutes",
        type=click.FloatRange(0, 1_440, min_open=True),
        default=45.0,
        show_default=True,
        help="Tuning stops here, wherever it is; a run that was killed goes on where it was.",
    )
    flag = click.option("--tune-encoder", is_flag=True, help="Tune the encoder first; it is kept only where it wins.")
    return flag(minutes(command))


def settings_of(workspace: Path | None, *, make: bool = False) -> Settings:
    """Settings of a workspace.

    Parameters
    ----------
    make : bool
        Make the folder where it is not there; only what brings data in does.

    Raises
    ------
    NotFound
        If there is no such folder, and it is not to be made.
    """
    from features.settings import load_settings

    settings = load_settings(workspace)
    if make:
        settings.workspace.mkdir(parents=True, exist_ok=True)
    elif not settings.workspace.is_dir():
        raise NotFound(
            f"There is no workspace {settings.workspace}: name another one with --workspace, or start one with "
            "'precedent demo' or 'precedent import'."
        )
    return settings


def _checked_system(value: str | None) -> str | None:
    from pydantic import ValidationError

    from features.settings import Settings

    try:
        return None if value is None else Settings(system=value).system
    except ValidationError:
        raise click.BadParameter(f"{value!r} is not 1 to 64 of the characters a-z 0-9 _ . -") from None


def print_json(value: Any) -> None:
    """One JSON object on standard output; a figure that was not measured (NaN) is null."""
    import orjson

    click.echo(orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY))


def say(line: str) -> None:
    """One line about what is going on, on standard error."""
    click.echo(line, err=True)


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on a terminal, a line now and then elsewhere; called with done and total (0: unknown)."""
    if sys.stderr.isatty():
        with _bar(label) as update:
            yield update
        return
    started = last = time.monotonic()

    def line(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= 10 or (total and done >= total and now - started >= 1):
            last = now
            say(f"{label}: {done:,}" + (f" of {total:,}" if total else ""))

    yield line


def counting(update: Callable[[int, int], None]) -> Callable[[int], None]:
    """A bar of :func:`progress` for what tells the number that was just done, and not the total."""
    done = 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        update(done, 0)

    return advance


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(label, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)
