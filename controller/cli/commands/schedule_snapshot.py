"""schedule-snapshot, schedule-replay: a cluster's scheduling in a file, for bug reports."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from controller.cli import documents, options
from controller.cli.documents import Files
from controller.cli.exit_codes import ExitCode, UsageProblem
from controller.cli.output import View
from controller.cli.session import Session
from controller.cli.views import forecasts
from controller.counted import counted
from controller.errors import InvalidInput, Problem
from controller.model import document
from controller.model.region_service import RegionService
from controller.model.registry import key_of

app = typer.Typer()

_PANEL = "Scheduling"
_FORMS: Mapping[str, type] = {"cluster": str, "flavors": list, "scheduling": dict}
"""The fields at the top of a saved file."""


@app.command("schedule-snapshot", rich_help_panel=_PANEL)
@options.remote
def schedule_snapshot(
    session: Session,
    cluster: Annotated[str, typer.Argument(metavar="CLUSTER", help="Name of the cluster.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="File to write. Default: standard output.")
    ] = None,
) -> None:
    """Save the input of placement in a cluster: nodes, taken capacity, and the nodes of Computes.

    Needs the token of an admin. The file has names of nodes and services, and sizes. It has no user data, addresses or
    keys.

    Example:
      resourcectl schedule-snapshot tokyo1 -o tokyo1.json
    """
    saved = session.schedule_snapshot(cluster)
    text = json.dumps(saved) + "\n"
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageProblem(f"-o {output}: {error.strerror}") from error
    scheduling = saved["scheduling"]
    nodes, services = (len(scheduling[name]) for name in ("nodes", "services"))
    typer.echo(f"{output}: {counted(nodes, 'node')}, {counted(services, 'service')}")


@app.command("schedule-replay", rich_help_panel=_PANEL)
@options.shown
def schedule_replay(
    snapshot: Annotated[Path, typer.Argument(metavar="FILE", help="File written by schedule-snapshot.")],
    file: Files,
) -> View:
    """Place services on a saved snapshot, offline. The result is the plan of the cluster at that time.

    Uses the flavors of the snapshot and those in the documents.

    Example:
      resourcectl schedule-replay tokyo1.json -f examples/tokyo/web.yaml
    """
    from controller.cluster.forecast import replay
    from controller.schedule import reasons

    wanted = documents.check(documents.read(file))
    services = [each for each in wanted if isinstance(each, RegionService)]
    if not services:
        raise UsageProblem(f"-f {' '.join(file)}: no RegionService found")
    saved = _read(snapshot)
    placements = replay.answer(saved["scheduling"], services, [*_flavors(saved), *wanted], cast(str, saved["cluster"]))
    there = saved["scheduling"].get("services", {})
    lines: list[str] = []
    answers: list[dict[str, Any]] = []
    for service, found in zip(services, placements, strict=True):
        cluster = saved["cluster"] if found.accepted or key_of(service).path in there else ""
        forecast = {**found.render(), "cluster": cluster}
        if not cluster:
            forecast["refused_by"] = {saved["cluster"]: reasons.refusals(found.refused, service.spec.replicas)}
        lines += [f"{key_of(service)}:", *(f"  {line}" for line in forecasts.long(forecast))]
        answers.append({"kind": service.kind, "key": key_of(service).path, "forecast": forecast})
    code = ExitCode.DONE if all(each.accepted for each in placements) else ExitCode.REFUSED
    return View(documents=answers, lines=lines, exit_code=code)


def _flavors(saved: Mapping[str, Any]) -> list[Any]:
    try:
        return [document.parse(each, stored=True) for each in saved["flavors"]]
    except InvalidInput as error:
        raise InvalidInput([Problem(f"flavors: {each.path}", each.message) for each in error.problems]) from None


def _read(path: Path) -> Mapping[str, Any]:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput([Problem(str(path), "is no JSON")]) from error
    if not isinstance(saved, dict) or not {"cluster", "flavors", "scheduling"} <= saved.keys():
        raise InvalidInput([Problem(str(path), "must be a file written by schedule-snapshot")])
    for name, wanted in _FORMS.items():
        if not isinstance(saved[name], wanted):
            raise InvalidInput([Problem(f"{path}: {name}", "must be a file written by schedule-snapshot")])
    if not all(isinstance(each, dict) for each in saved["flavors"]):
        raise InvalidInput([Problem(f"{path}: flavors", "must be a file written by schedule-snapshot")])
    return saved
