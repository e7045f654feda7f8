"""The command ``precedent``: verbs are found by name and imported only when they run, so that help is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from features.errors import PrecedentError

_VERBS: dict[str, tuple[str, str]] = {
    "demo": ("cli.demo:demo", "From nothing to a served suggestion on the sample data."),
    "import": ("cli.imports:import_group", "Bring tickets or runbooks into the history."),
    "train": ("cli.train:train", "Learn a release from the history; it becomes the challenger."),
    "evaluate": ("cli.evaluate:evaluate", "Score a release on the newest tickets, beside the champion."),
    "promote": ("cli.promote:promote", "Make a release the champion that is served."),
    "rollback": ("cli.promote:rollback", "Go back to the release served before."),
    "follow": ("cli.follow:follow", "Keep in step with the champion of a remote registry."),
    "report": ("cli.report:report_group", "Reports for leads."),
    "runbook": ("cli.runbook:runbook_group", "Begin a runbook from resolved cases."),
    "index": ("cli.index:index_group", "Look at the case index, check it, rebuild it."),
    "serve": ("cli.serve:serve", "Answer the ticketing system over HTTP."),
    "suggest": ("cli.suggest:suggest", "One suggestion on the command line."),
    "keys": ("cli.keys:keys_group", "Who may call the service."),
    "audit": ("cli.audit:audit_group", "Check that journal and keys tell what happened, all of it and in its order."),
    "erase": ("cli.erase:erase", "Erase a ticket everywhere."),
    "backup": ("cli.backup:backup", "History, releases, registry and journal into one file, while serving."),
    "restore": ("cli.backup:restore", "A workspace out of a backup."),
    "benchmark": ("cli.benchmark:benchmark", "Figures on public data."),
    "doctor": ("cli.doctor:doctor", "Say what is missing or wrong, and how to mend it."),
}


_OWN_PACKAGES = ("features", "serving", "evaluation", "training", "cli")


class _LazyGroup(click.Group):
    """A group that imports a verb's module when that verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _VERBS:
            return None
        module, attribute = _VERBS[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _VERBS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="precedent")
def cli() -> None:
    """Precedent tells a support team what a new ticket is and what resolved the last one like it."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit 0 when done, 1 with one sentence when not, 2 on wrong usage."""
    try:
        result: Any = cli.main(args=arguments, prog_name="precedent", standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        if isinstance(error, click.NoSuchOption) and error.ctx is not None and error.ctx.command is cli:
            click.echo("Options stand after the command, as in: precedent doctor --workspace FOLDER", err=True)
        sys.exit(error.exit_code)
    except PrecedentError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in _OWN_PACKAGES:
            raise
        click.echo(f"Error: this command needs {error.name}: pip install 'precedent[train]'.", err=True)
        sys.exit(1)
    except OSError as error:
        name = f" {error.filename}" if error.filename else ""
        click.echo(f"Error: {error.strerror or error}{name}; nothing more was written.", err=True)
        sys.exit(1)
    sys.exit(result if isinstance(result, int) else 0)


if __name__ == "__main__":
    main()
