"""up, down, lab: a whole datacenter on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli import options
from controller.cli.output import View, text

if TYPE_CHECKING:
    from controller.lab.lab import Lab

app = typer.Typer()
lab = typer.Typer(no_args_is_help=True)
app.add_typer(lab, name="lab", rich_help_panel="Lab")

_PANEL = "Lab"
IdOption = Annotated[str, typer.Option("--id", help="Id of the lab; several live side by side.")]


@lab.callback()
def _lab() -> None:
    """Nodes, hypervisors and a router in namespaces of this machine, without the control plane.

    Example:
      resourcectl lab up
    """


@lab.command("up")
def lab_up(id: IdOption = "tokyo") -> None:  # noqa: A002 (the option's name)
    """Make the lab's namespaces and start its hypervisors and router; makes true what is not yet.

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


def _down(daemons: dict[str, int | None]) -> list[str]:
    return [name for name, pid in daemons.items() if pid is None]


def _of(id: str) -> Lab:  # noqa: A002
    from pydantic import ValidationError

    from controller.errors import InvalidInput
    from controller.lab.lab import Lab
    from controller.lab.settings import LabSettings
    from controller.model import document

    try:
        return Lab(LabSettings(id=id))
    except ValidationError as error:
        raise InvalidInput(document.problems(error, "--id")) from error
