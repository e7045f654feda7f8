"""``precedent benchmark``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from cli.common import json_option, print_json, say, settings_of, tune_options, workspace_option
from features.errors import InvalidInput

if TYPE_CHECKING:
    from evaluation.benchmarks.bench import Bench


@click.command()
@click.argument(
    "task",
    type=click.Choice(["category", "severity", "similar", "runbooks", "all", "tune-untrained", "sev1-promise"]),
)
@click.option(
    "--data",
    "folder",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of a public layout; for 'all' the folder that holds such folders.",
)
@click.option(
    "--on",
    type=click.Choice(["tune", "test"]),
    help="Rows that category and severity score: those to choose on, or the test rows. Default: tune for category, "
    "test for severity.",
)
@click.option(
    "--label",
    type=click.Choice(["project", "component"]),
    default="project",
    show_default=True,
    help="What the category of an issue is (category only); component needs --project.",
)
@click.option("--project", metavar="KEY", help="Only this project's issues and pairs (not with 'all').")
@click.option(
    "--draws", type=click.IntRange(min=1), help="Draws of calibration tickets (sev1-promise only; default 1000)."
)
@click.option(
    "--fits", type=click.IntRange(min=1), help="Fits that they are drawn for (sev1-promise only; default 20)."
)
@tune_options
@workspace_option
@json_option
def benchmark(
    task: str,
    folder: Path,
    on: Literal["tune", "test"] | None,
    label: str,
    project: str | None,
    draws: int | None,
    fits: int | None,
    tune_encoder: bool,
    tune_minutes: float,
    workspace: Path | None,
    as_json: bool,
) -> None:
    """Run the product's own pipeline on public data and print its figures; docs/benchmarks.md says what each means.

    Texts are embedded once, and their vectors kept in the workspace: a run that was stopped goes on where it was.
    """
    from evaluation.benchmarks.all import run_all, run_task
    from evaluation.benchmarks.render import render
    from evaluation.benchmarks.sev1_promise import N_DRAWS, N_FITS, sev1_promise
    from evaluation.benchmarks.tune_untrained import tune_untrained

    if tune_encoder and task != "category":
        raise InvalidInput(f"--tune-encoder is for the category benchmark, not for {task}; leave it out.")
    if task != "sev1-promise" and (draws or fits):
        raise InvalidInput(f"--draws and --fits are for sev1-promise, not for {task}; leave them out.")
    bench = _bench(workspace, tune_minutes if tune_encoder else None)
    if task == "all":
        result: dict[str, object] = dict(run_all(bench, folder, on=on))
    elif task == "tune-untrained":
        result = tune_untrained(bench, folder)
    elif task == "sev1-promise":
        result = sev1_promise(bench, folder, n_draws=draws or N_DRAWS, n_fits=fits or N_FITS)
    else:
        result = run_task(bench, task, folder, on=on, label=label, project=project)
    if as_json:
        print_json(result)
    else:
        click.echo(render(result))


def _bench(workspace: Path | None, tune_minutes: float | None = None) -> Bench:
    from evaluation.benchmarks.bench import Bench
    from evaluation.benchmarks.vectors import VectorStore
    from features.encoder import load_encoder
    from features.intake import open_intake
    from features.settings import DEFAULT_ENCODER
    from training.bench_tuning import tune_for_benchmark
    from training.fitting import fitting
    from training.params import TrainingParams
    from training.sentence_encoder import export_encoder
    from training.tuning_params import TuningParams

    # Figures are the product's with its defaults, and the references' encoder is the default one, whatever is set.
    settings = settings_of(workspace, make=True)
    settings.encoders_dir.mkdir(parents=True, exist_ok=True)
    encoder = load_encoder(
        export_encoder(DEFAULT_ENCODER, settings.encoders_dir), threads=settings.service.encoder_threads
    )
    folder = settings.workspace / "benchmark-vectors"
    params = TrainingParams()
    tune = tune_minutes and partial(
        tune_for_benchmark,
        encoder=encoder,
        folder=settings.workspace / "benchmark-tuning",
        vectors=folder,
        params=params,
        tuning=TuningParams(seed=params.seed, minutes=tune_minutes),
        say=say,
    )
    return Bench(
        intake=open_intake(settings),
        encoder=encoder,
        vectors=VectorStore(folder, encoder, say),
        fitting=fitting(params),
        scratch=folder,
        progress=say,
        tune=tune or None,
    )
