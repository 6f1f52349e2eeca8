"""Dry runs: the plan of a write, made on a snapshot of the database, with forecasts for its services.

Changes nothing. Forecasts are asked for after the transaction, all together, and only for services that the write
would not be refused for; a cluster that is away makes them unknown and delays the answer by a bounded time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from controller.errors import ResourceError
from controller.model.envelope import Status
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource
from controller.root.api import answers
from controller.root.api.operation import Call
from controller.root.writes.plan import Action, Plan, Step
from controller.store.database import Transaction


async def preview(call: Call, planned: Callable[[Transaction], Plan]) -> answers.Plan:
    """Return the plan that ``planned`` makes, with forecasts where a service would change."""
    plan = await call.services.db.aread(planned)
    return answers.Plan.of(replace(plan, steps=await _with_forecasts(call, plan.steps)))


async def _with_forecasts(call: Call, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Return the steps, those of services with forecasts: each forecast counts what those before it would take."""
    services = {
        number: step.after
        for number, step in enumerate(steps)
        if isinstance(step.after, RegionService) and _is_to_be_placed(step)
    }
    fine = [number for number in services if not (steps[number].unresolved or steps[number].refusals)]
    written = [step.after for step in steps if step.after is not None and step.action is not Action.DELETE]
    found: dict[int, dict[str, Any]] = {number: {"unknown": "the document would be refused"} for number in services}
    found |= zip(fine, await _forecasts(call, [services[number] for number in fine], written), strict=True)
    return tuple(replace(step, forecast=found.get(number)) for number, step in enumerate(steps))


def _is_to_be_placed(step: Step) -> bool:
    """Return whether the step gets a forecast; an unchanged service that is not Active too, for its user asks why."""
    if step.action is Action.UNCHANGED:
        return step.current is not None and step.current.status != Status.ACTIVE
    return step.action in (Action.CREATE, Action.UPDATE)


async def _forecasts(
    call: Call, services: Sequence[RegionService], written: Sequence[AnyResource]
) -> list[dict[str, Any]]:
    if not services:
        return []
    if call.services.rpc is None:
        return [{"unknown": "this process has no connection to the clusters"}] * len(services)
    try:
        async with asyncio.timeout(call.services.settings.forecast_timeout):
            found = await call.services.rpc.forecasts(services, written)
    except TimeoutError:
        return [{"unknown": "the clusters did not answer in time"}] * len(services)
    except ResourceError as error:
        return [{"unknown": error.message}] * len(services)
    return [each.render() for each in found]
