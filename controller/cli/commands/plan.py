"""plan: where each replica would go and why, and what it would take away (decisions: plans)."""

from __future__ import annotations

import dataclasses

import typer

from controller.cli import options
from controller.cli.commands.apply import Files, checked
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.views import forecasts, plans

app = typer.Typer()


@app.command(rich_help_panel="Scheduling")
@options.shown
@options.remote
def plan(session: Session, file: Files) -> View:
    """Show where each replica of the services in the documents would go, and why; changes nothing.

    Services of one plan see each other. Nodes are a forecast: what is free is taken only when it is
    written. Each rule is shown with the domain it chose and how many of the service are there already.

    Example:
      resourcectl plan -f examples/tokyo/web.yaml
    """
    answer = session.plan(checked(file))
    view = plans.plan(answer)
    lines: list[str] = []
    for step in answer["changes"]:
        if step.get("forecast"):
            lines += [f"{step['kind']} {step['key']}:", *(f"  {line}" for line in forecasts.long(step["forecast"]))]
    return dataclasses.replace(view, lines=(*lines, *view.lines))
