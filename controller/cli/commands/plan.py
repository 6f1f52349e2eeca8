"""plan: the node that each replica would get, and why."""

from __future__ import annotations

import dataclasses

import typer

from controller.cli import last_applied, options
from controller.cli.commands.apply import checked
from controller.cli.documents import Files
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.views import forecasts, plans

app = typer.Typer()


@app.command(rich_help_panel="Scheduling")
@options.shown
@options.remote
def plan(session: Session, file: Files) -> View:
    """Show the node that each replica of the services in the documents would get, and why. Changes nothing.

    The services of one plan take each other into account. The nodes are a forecast: nothing is reserved. Each rule is
    shown with the domain that it chose, and with the number of Computes that the service has there already.

    Example:
      resourcectl plan -f examples/tokyo/web.yaml
    """
    answer = session.plan(checked(file))
    last_applied.warn(session, answer)
    view = plans.plan(answer)
    lines: list[str] = []
    for step in answer["changes"]:
        if step.get("forecast"):
            lines += [f"{step['kind']} {step['key']}:", *(f"  {line}" for line in forecasts.long(step["forecast"]))]
    return dataclasses.replace(view, lines=(*lines, *view.lines))
