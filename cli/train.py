"""``precedent train``."""

from __future__ import annotations

from pathlib import Path

import click

from cli.common import json_option, print_json, progress, say, settings_of, workspace_option


@click.command()
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=None, help="Seed of everything drawn (default: 0).")
@click.option(
    "--params",
    "params_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with training parameters other than the defaults.",
)
@click.option(
    "--search",
    "searching",
    is_flag=True,
    help="Choose the recipe on the history's tune tickets first; later runs use it (recipe.toml in the workspace).",
)
@workspace_option
@json_option
def train(seed: int | None, params_file: Path | None, searching: bool, workspace: Path | None, as_json: bool) -> None:
    """Learn category, severity and ranking from the history, score them on the newest tickets, record the run.

    The release becomes the challenger: 'precedent promote' serves it.
    """
    from training.params import load_params
    from training.recipe import read_recipe
    from training.run import train as run

    settings = settings_of(workspace)
    with progress("Embedding tickets") as bar:
        params = load_params(params_file, seed=seed, recipe=read_recipe(settings.recipe_path))
        made = run(settings, params, say=say, bar=bar, searching=searching)
    if as_json:
        print_json(
            {
                "release": made.release_id,
                "folder": made.folder,
                "mlflow": {
                    "run": made.recorded.run_id,
                    "version": made.recorded.version,
                    "uri": made.recorded.tracking_uri,
                },
                "report": made.reports_folder,
                "metrics": made.figures,
                "notes": made.notes,
                "labels": made.labels,
            }
        )
        return
    click.echo(f"Release {made.release_id} is the challenger (version {made.recorded.version} in MLflow).")
    for line in made.headlines:
        click.echo(f"  {line}")
    for note in made.notes:
        click.echo(f"  {note}")
    click.echo("Read where it is wrong with 'precedent report misclassification'.")
    click.echo("Serve it with 'precedent promote'.")
