"""impact: what would go down with a PDU, rack, router, floor, datacenter or node.

Design: J1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from controller.cli import options
from controller.cli.exit_codes import UsageProblem
from controller.cli.output import View
from controller.cli.session import Session
from controller.counted import counted

app = typer.Typer()

_ROUTERS = ("GatewayRouter", "FloorSpineRouter", "FloorLeafRouter", "RackSpineRouter", "RackLeafRouter")
_DEVICES: Mapping[str, tuple[str, ...]] = {
    "pdu": ("Pdu",),
    "feed": ("PowerFeed",),
    "router": _ROUTERS,
    "server": ("Server",),
    "device": (),
}
"""The kind of thing to the roles of physical resources that it covers; empty: every role."""
_PLACES = {"rack": "Rack", "floor": "Floor", "datacenter": "Datacenter", "node": "Node"}
WORDS = (*_DEVICES, *_PLACES)


def _complete(incomplete: str) -> list[str]:
    return [word for word in WORDS if word.startswith(incomplete)]


@app.command(rich_help_panel="Scheduling")
@options.shown
@options.scoped
def impact(
    session: Session,
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"{', '.join(WORDS)}.", autocompletion=_complete)],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name; or DATACENTER/NAME, CLUSTER/NAME.")],
    limit: Annotated[int, typer.Option(help="Most entries of each list.", min=1, max=100_000)] = 1000,
) -> View:
    """Show what would go down if something failed, and which services would then violate their rules.

    A node with two feeds, or two leaf routers, goes down only when both fail. Everything below a panel or a
    spine router goes down with it. A service cannot be reached when no instance of its Loadbalancer is left.
    Changes nothing.

    Example:
      resourcectl impact pdu floor-1-1-1-rack-1-1-pdu-a
      resourcectl impact rack floor-1-1-1-rack-1-1 --datacenter tokyo
    """
    if kind not in WORDS:
        raise UsageProblem(f"KIND {kind!r} cannot fail; known: {', '.join(WORDS)}")
    key = session.locate(_PLACES.get(kind, "PhysicalResource"), name)
    answer = session.impact(key, limit)
    roles = _DEVICES.get(kind, ())
    if roles and answer["role"] not in roles:
        raise UsageProblem(f"{name} must be a {kind}, it is a {answer['role']}: use impact device {name}")
    return show(answer)


def show(answer: Mapping[str, Any]) -> View:
    """Return services as rows, with what goes down below."""
    counts = answer["counts"]
    balancers = {(each["project"], each["region"], each["service"]): each for each in answer["loadbalancers"]}
    rows = [
        (
            f"{service['project']}/{service['region']}/{service['name']}",
            str(service["replicas"]),
            str(service["lost"]),
            str(service["left"]),
            str(service["running"]),
            _outcome(service),
            "; ".join(_reasons(service, balancers.get(_owner(service)))) or "-",
        )
        for service in answer["services"]
    ]
    lines = [
        f"{answer['kind']} {answer['key']}: {counted(counts['nodes'], 'node')} and "
        f"{counted(counts['computes'], 'Compute')} would go down, of {counted(counts['services'], 'service')}; "
        f"{counts['services_down']} with nothing left running, {counts['services_below_rules']} below their rules"
    ]
    if counts["loadbalancers"]:
        lines[0] += (
            f"; {counted(counts['loadbalancers'], 'Loadbalancer')} would lose instances, "
            f"{counts['loadbalancers_down']} of them all that answer"
        )
    if counts["services"] > len(rows):
        lines.insert(0, f"and {counted(counts['services'] - len(rows), 'more service')}")
    lines += _named("device", answer["devices"], counts["devices"], lambda each: f"{each['name']} ({each['cause']})")
    lines += _named(
        "node",
        answer["nodes"],
        counts["nodes"],
        lambda each: f"{each['cluster']}/{each['name']} ({each['cause']}), {counted(each['computes'], 'Compute')}",
    )
    lines += _named(
        "loadbalancer",
        answer["loadbalancers"],
        counts["loadbalancers"],
        lambda each: f"{'/'.join(_owner(each))} on {', '.join(each['lost'])}: {each['effect']}",
    )
    columns = ("SERVICE", "REPLICAS", "LOST", "LEFT", "RUNNING", "VERDICT", "REASON")
    return View(columns, rows, [answer], single=True, lines=lines)


def _owner(service: Mapping[str, Any]) -> tuple[str, str, str]:
    return service["project"], service["region"], service["name"]


def _outcome(service: Mapping[str, Any]) -> str:
    if service["down"]:
        return "down"
    return "cut off" if service["cut_off"] else "below its rules" if _broken(service) else "ok"


def _reasons(service: Mapping[str, Any], balancer: Mapping[str, Any] | None) -> list[str]:
    return [*([f"Loadbalancer: {balancer['effect']}"] if balancer is not None else []), *_broken(service)]


def _broken(service: Mapping[str, Any]) -> list[str]:
    return [
        f"{'hard' if rule['hard'] else 'soft'} {rule['mode']} over {rule['axis']}: {rule['reason']}"
        for rule in service["rules"]
        if not rule["met"]
    ]


def _named(what: str, items: Sequence[Mapping[str, Any]], count: int, line: Any) -> list[str]:
    lines = [f"  {what} {line(item)}" for item in items]
    return [*lines, f"  and {counted(count - len(items), f'more {what}')}"] if count > len(items) else lines
