"""up, down, lab: a whole datacenter on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import options, progress, tables
from controller.cli.exit_codes import ExitCode
from controller.cli.output import View
from controller.cli.tables import text

if TYPE_CHECKING:
    from controller.lab.lab import Lab
    from controller.lab.settings import LabSettings

app = typer.Typer()
lab = typer.Typer(no_args_is_help=True)
app.add_typer(lab, name="lab", rich_help_panel="Lab")

_PANEL = "Lab"
EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "tokyo"
IdOption = Annotated[str, typer.Option("--id", help="Id of the lab. Several labs can run at the same time.")]


@lab.callback()
def _lab() -> None:
    """Manage a lab: nodes, hypervisors and a router in namespaces of this machine, without the control plane.

    Example:
      resourcectl lab up
    """


@lab.command("up")
def lab_up(id: IdOption = "tokyo") -> None:  # noqa: A002 (the option's name)
    """Create the namespaces of the lab, and start its hypervisors and its router. Skips what exists and runs.

    Example:
      resourcectl lab up --id tokyo
    """
    _of(id).up(say=typer.echo)


@lab.command("down")
def lab_down(
    id: IdOption = "tokyo",  # noqa: A002
    keep_state: Annotated[bool, typer.Option("--keep-state", help="Keep the lab's files.")] = False,
) -> None:
    """Stop the lab and remove it: processes, namespaces, mounts and files.

    Example:
      resourcectl lab down --id tokyo
    """
    _of(id).down(keep_state=keep_state)


@lab.command("status")
@options.shown
def lab_status(id: IdOption = "tokyo") -> View:  # noqa: A002
    """Show what runs on each node of the lab.

    Example:
      resourcectl lab status
    """
    nodes = _of(id).status()
    rows = [(node.name, node.rack, node.address, text(_down(node.daemons)), str(node.machines)) for node in nodes]
    documents = [
        {
            "name": node.name,
            "rack": node.rack,
            "address": node.address,
            "daemons": node.daemons,
            "machines": node.machines,
        }
        for node in nodes
    ]
    return View(("NODE", "RACK", "ADDRESS", "NOT RUNNING", "MACHINES"), rows, documents)


@app.command(rich_help_panel=_PANEL)
def up(
    id: IdOption = "tokyo",  # noqa: A002
    examples: Annotated[
        Path | None, typer.Option("--examples", metavar="FOLDER", help="Documents to apply. Default: examples/tokyo.")
    ] = None,
    port: Annotated[int, typer.Option("--port", help="Port of the API on this machine.", min=1, max=65535)] = 7440,
) -> None:
    """Start the whole control plane and a lab of four nodes on this machine, apply the example site, wait for its VMs.

    Everything keeps running in the background. A second run is quick and changes nothing. Must run as root.

    Example:
      resourcectl up
    """
    from controller.lab.up import up as lab_up_all

    with progress.shown() as show:
        result = lab_up_all(_settings(id, port), examples or EXAMPLES, say=show.say, show=show.machines)
    for line in tables.table(progress.TITLES, [progress.row(machine) for machine in result.machines]):
        typer.echo(line)
    typer.echo(
        f"\nAPI     {result.url}   (documentation: {result.url}/docs)\n"
        f"token   {result.token_file}\n"
        f"use it  export RESOURCE_SERVER={result.url} RESOURCE_TOKEN_FILE={result.token_file}\n"
        f"stop    make down   (resourcectl down{'' if id == 'tokyo' else f' --id {id}'})"
    )
    if not result.complete:
        typer.echo("not every VM answers: see `resourcectl describe vm NAME`", err=True)
        raise typer.Exit(ExitCode.TRY_AGAIN)


@app.command(rich_help_panel=_PANEL)
def down(
    id: IdOption = "tokyo",  # noqa: A002
    keep_state: Annotated[
        bool, typer.Option("--keep-state", help="Keep databases and disks for the next `up`.")
    ] = False,
) -> None:
    """Stop what up started and remove it: processes, VMs, namespaces, mounts and files.

    Example:
      resourcectl down
    """
    from controller.lab.up import down as lab_down_all

    lab_down_all(_settings(id), keep_state=keep_state, say=typer.echo)


def _down(daemons: dict[str, int | None]) -> list[str]:
    return [name for name, pid in daemons.items() if pid is None]


def _of(id: str) -> Lab:  # noqa: A002
    from controller.lab.lab import Lab

    return Lab(_settings(id))


def _settings(id: str, port: int = 7440) -> LabSettings:  # noqa: A002
    from pydantic import ValidationError

    from controller.errors import InvalidInput
    from controller.lab.settings import LabSettings
    from controller.model import document

    try:
        return LabSettings(id=id, api_port=port)
    except ValidationError as error:
        raise InvalidInput(document.problems(error, "--id")) from error
