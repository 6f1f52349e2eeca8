"""The server-set fields of a resource after a write, per kind. Pure.

Inventory kinds are Active as soon as they are stored: nothing has to be made. Kinds that controllers realise start
with the first status of their lifecycle; the controllers set the others.

Design: D2, D3, K1, K2, K3, K4, K5.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.model import registry
from controller.model.envelope import SERVER_SET, RequestMethod, Status
from controller.model.global_service import GlobalService
from controller.model.region_service import RegionService
from controller.model.registry import AnyResource
from controller.model.volume import Volume
from controller.root.writes.diff import FieldChange

NO_GSLB = "its data plane is not there yet: no process serves the record"


def created(wanted: AnyResource) -> AnyResource:
    """Return a new resource as it is to be stored."""
    first = {"request_method": RequestMethod.CREATE, "revision": 1, **registry.get(wanted.kind).created_with}
    fresh = wanted.model_copy(update=first)
    return _global_service(fresh) if isinstance(fresh, GlobalService) else fresh


def updated(current: AnyResource, wanted: AnyResource, diff: Sequence[FieldChange]) -> AnyResource:
    """Return ``wanted`` with the server-set fields of ``current``, and the status that follows from the change."""
    kept = {name: getattr(current, name) for name in SERVER_SET}
    merged = wanted.model_copy(update=kept)
    if not diff:
        return merged
    match merged:
        case RegionService():
            return _service_updated(merged, diff)
        case Volume():
            return _volume_updated(merged)
        case GlobalService():
            return _global_service(merged.model_copy(update={"request_method": RequestMethod.UPDATE}))
    return merged


def deleting(resource: AnyResource, reason: str = "") -> AnyResource:
    """Return the resource with status Deleting; its controller deletes the row."""
    return resource.model_copy(
        update={"status": Status.DELETING, "status_reason": reason, "request_method": RequestMethod.DELETE}
    )


def _global_service(resource: GlobalService) -> AnyResource:
    if not resource.spec.gslb:
        return resource.model_copy(update={"status": Status.ACTIVE, "status_reason": ""})
    return resource.model_copy(update={"status": Status.CREATING, "status_reason": NO_GSLB})


def _service_updated(merged: RegionService, diff: Sequence[FieldChange]) -> AnyResource:
    """Return the service with a new revision when more than the number of replicas changed, and with its new status.

    A service that no cluster was chosen for yet stays Initializing: its first steps are not done yet, and they use the
    new spec.
    """
    if not _is_real(diff):
        return merged
    changes: dict[str, object] = {"request_method": RequestMethod.UPDATE, "status_reason": ""}
    untouched = merged.status == Status.INITIALIZING or not merged.facts.cluster
    changes["status"] = Status.INITIALIZING if untouched else Status.UPDATING
    if any(change.path.startswith("spec.") and change.path != "spec.replicas" for change in diff):
        changes["revision"] = merged.revision + 1
    return merged.model_copy(update=changes)


def _is_real(diff: Sequence[FieldChange]) -> bool:
    return any(change.path != "max_revision_history" for change in diff)


def _volume_updated(merged: Volume) -> AnyResource:
    status = Status.UPDATING if merged.status == Status.ACTIVE else merged.status
    return merged.model_copy(update={"status": status, "request_method": RequestMethod.UPDATE})
