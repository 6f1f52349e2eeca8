"""Rolling updates: one Compute at a time, in index order, stopping at the first Error.

What can change on a running machine is changed on all Computes at the same time. What needs a restart or a new disk is
changed one by one: the next Compute is updated only when every Compute that already has the new revision is Active. A
rollback works the same way, for it is a new revision with an old spec.

A Compute's ``revision`` is the service's revision that last changed its machine. A revision that changes nothing for a
Compute does not touch it.

Design: D3
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.model.compute import Compute
from controller.model.envelope import RequestMethod, Status
from controller.root.reconcile.service_state import ServiceState
from controller.root.service_template import Effort, Template, effort
from controller.store import resources
from controller.store.database import Transaction

_UNTOUCHED = (Status.INITIALIZING,)


def roll(tx: Transaction, state: ServiceState, make: Template) -> None:
    """Write the new specs that are due now, and the indices of the others into ``state.waiting``."""
    due: list[Compute] = []
    waiting: list[int] = []
    blocked = any(
        item.revision == state.service.revision and item.status != Status.ACTIVE and item.status not in _UNTOUCHED
        for item in state.alive
        if item.request_method is RequestMethod.UPDATE
    )
    for item in state.alive:
        target = make.compute_spec(
            item.spec.index, item.spec.interfaces, state.volumes_of(item.spec.index), before=item.spec
        )
        needed = effort(item.spec, target)
        if needed is Effort.NONE:
            continue
        if needed is Effort.LIVE:
            due.append(item.model_copy(update={"spec": target}))
        elif item.status in _UNTOUCHED:
            due.append(item.model_copy(update={"spec": target, "revision": state.service.revision}))
        elif blocked:
            waiting.append(item.spec.index)
        else:
            blocked = True
            due.append(
                item.model_copy(
                    update={
                        "spec": target,
                        "revision": state.service.revision,
                        "status": Status.UPDATING.value,
                        "status_reason": "",
                        "request_method": RequestMethod.UPDATE,
                    }
                )
            )
    if due:
        _replace(state, resources.update(tx, due))
    state.waiting = tuple(waiting)


def _replace(state: ServiceState, written: Sequence[Compute]) -> None:
    by_index = {item.spec.index: item for item in written}
    state.computes = [by_index.get(item.spec.index, item) if not item.is_deleting else item for item in state.computes]
