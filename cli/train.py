"""``precedent train``."""

from __future__ import annotations

from pathlib import Path

import click

from cli.common import json_option, print_json, progress, say, settings_of, tune_options, workspace_option


@click.command()
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=None, help="Seed of everything drawn (default: 0).")
@click.option(
    "--params",
    "params_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with training parameters other than the defaults (docs/training.md lists them).",
)
@click.option(
    "--search",
    "searching",
    is_flag=True,
    help="Choose the recipe of the category model on the history's tune tickets first; it is used from then on "
    "(recipe.toml in the workspace).",
)
@tune_options
@click.option("--base-encoder", is_flag=True, help="Forget a tuned encoder and use that of the settings again.")
@workspace_option
@json_option
def train(
    seed: int | None,
    params_file: Path | None,
    searching: bool,
    tune_encoder: bool,
    tune_minutes: float,
    base_encoder: bool,
    workspace: Path | None,
    as_json: bool,
) -> None:
    """Learn category, severity and ranking from the history, score them on the newest tickets, record the run.

    The release becomes the challenger: 'precedent promote' serves it. A tuned encoder is used from then on where it
    wins on category and similar cases both; docs/training.md says how.
    """
    from training.params import load_params
    from training.recipe import read_recipe
    from training.run import train as run
    from training.tuned_encoder import forget_tuned
    from training.tuning_params import TuningParams

    settings = settings_of(workspace)
    recipe = read_recipe(settings.recipe_path)
    params = load_params(params_file, seed=seed, recipe=recipe, kept=settings.training)
    if recipe and not searching:
        chosen = ", ".join(f"{name} {value}" for name, value in recipe.items())
        say(f"Using the recipe of {settings.recipe_path.name} ({chosen}); without the file, the defaults")
    if base_encoder and forget_tuned(settings):
        say("The tuned encoder is forgotten")
    tuning = TuningParams(seed=params.seed, minutes=tune_minutes) if tune_encoder else None
    with progress("Embedding tickets") as bar:
        made = run(settings, params, tuning=tuning, searching=searching, say=say, bar=bar)
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
                "encoder_tuning": made.tuning.to_json() if made.tuning else None,
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
