"""Forecasts as text: the node of each replica, the reasons, and the free capacity before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controller.cli.tables import table, text

Item = Mapping[str, Any]


def short(forecast: Item) -> list[str]:
    """Return cluster, nodes and reasons, without the scores."""
    if "unknown" in forecast:
        return [f"forecast: unknown, {forecast['unknown']}"]
    lines = _clusters(forecast)
    lines += [f"{name} on {node}" for name, node in forecast.get("placements", {}).items()]
    lines += _changes(forecast)
    if not forecast.get("refused") and not forecast.get("refused_by"):
        lines += [f"{count} x {reason}" for reason, count in forecast.get("reasons", {}).items()]
    return [f"forecast: {line}" for line in lines]


def long(forecast: Item) -> list[str]:
    """Return the same with the rules that chose each node, and the free capacity before and after."""
    if "unknown" in forecast:
        return [f"forecast: unknown, {forecast['unknown']}"]
    lines = _clusters(forecast)
    why = forecast.get("why", {})
    placements = forecast.get("placements", {})
    if placements:
        rows = [(name, node, "; ".join(map(_reason, why.get(name, ()))) or "-") for name, node in placements.items()]
        lines += table(("COMPUTE", "NODE", "WHY"), rows)
    lines += _changes(forecast)
    lines += _capacity(forecast.get("capacity", {}))
    return lines


def _clusters(forecast: Item) -> list[str]:
    cluster = forecast.get("cluster")
    lines = [f"cluster {cluster}" if cluster else "no cluster would take it"]
    return lines + [f"cluster {name} would not take it: {why}" for name, why in forecast.get("refused_by", {}).items()]


def _changes(forecast: Item) -> list[str]:
    lines = [f"{name} is resized on {node}" for name, node in forecast.get("resized", {}).items()]
    lines += [f"{name} cannot be resized: {why}" for name, why in forecast.get("no_room", {}).items()]
    lines += [f"{name} goes from {node}" for name, node in forecast.get("leaving", {}).items()]
    if forecast.get("cluster"):
        lines += [f"{count} would fit nowhere: {why}" for why, count in forecast.get("refused", {}).items()]
    return lines


def _reason(score: Item) -> str:
    """Return a score as text: ``rack AntiAffinity hard r1 (0 there, of 0 to 2)``."""
    name = f"{score['rule']} {text(score['domain'])}"
    if "already_there" in score:
        return f"{name} ({score['already_there']} there, of {score['fewest']} to {score['most']})"
    if "usable_percent" in score:
        costs = f"cost {score['cost']:g}, of {score['least']:g} to {score['most']:g}"
        return f"{name} ({score['usable_percent']:g} % usable, {costs})"
    return f"{name} instead of {score['instead_of']}" if score.get("instead_of") else name


def _capacity(dimensions: Mapping[str, Item]) -> Sequence[str]:
    rows = [
        (name, *(text(each[word]) for word in ("before", "after", "total")), _signed(each["after"] - each["before"]))
        for name, each in dimensions.items()
        if each["before"] != each["after"]
    ]
    return table(("FREE", "BEFORE", "AFTER", "OF", "CHANGE"), rows) if rows else []


def _signed(change: float) -> str:
    """Return a change in full digits: ``+2``, ``-1048576``."""
    return f"{change:+.12g}"
