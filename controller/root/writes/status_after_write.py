"""What a write makes of a resource's server-set fields, per kind (K1-K5, D2, D3). Pure.

Direct kinds are Active as soon as they are stored: they are facts, nothing has to be made. Kinds
that controllers realise start at the lifecycle's first word; the controllers do the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controller.model.envelope import SERVER_SET, RequestMethod, State, Status
from controller.model.global_service import GlobalServiceSpec
from controller.model.registry import AnyResource
from controller.root.writes.diff import FieldChange

NO_GSLB = "its data plane is not there yet: no process serves the record"


def created(wanted: AnyResource) -> AnyResource:
    """A new resource as it is to be stored."""
    fresh = wanted.model_copy(update={"request_method": RequestMethod.CREATE, "revision": 1})
    return _CREATED.get(wanted.kind, _as_it_is)(fresh)


def updated(current: AnyResource, wanted: AnyResource, diff: Sequence[FieldChange]) -> AnyResource:
    """``wanted`` with what the server knows of ``current``, and the status that the change brings."""
    kept = {name: getattr(current, name) for name in SERVER_SET}
    merged = wanted.model_copy(update=kept)
    rule = _UPDATED.get(wanted.kind)
    return merged if rule is None or not diff else rule(merged, diff)


def work_follows(resource: AnyResource, diff: Sequence[FieldChange]) -> bool:
    """True when a controller has to act on the write: the answer is 202."""
    return resource.kind == "RegionService" and _is_real(diff)


def deleting(resource: AnyResource, reason: str = "") -> AnyResource:
    """The resource on its way out; its controller removes the row."""
    return resource.model_copy(
        update={"status": Status.DELETING, "status_reason": reason, "request_method": RequestMethod.DELETE}
    )


def _as_it_is(resource: AnyResource) -> AnyResource:
    return resource


def _initializing(resource: AnyResource) -> AnyResource:
    return resource.model_copy(update={"status": Status.INITIALIZING, "status_reason": ""})


def _unseen(resource: AnyResource) -> AnyResource:
    return resource.model_copy(update={"state": State.UNKNOWN, "state_reason": "no agent has reported yet"})


def _global_service(resource: AnyResource) -> AnyResource:
    assert isinstance(resource.spec, GlobalServiceSpec)
    if not resource.spec.gslb:
        return resource.model_copy(update={"status": Status.ACTIVE, "status_reason": ""})
    return resource.model_copy(update={"status": Status.CREATING, "status_reason": NO_GSLB})


def _service_updated(merged: AnyResource, diff: Sequence[FieldChange]) -> AnyResource:
    """A new revision when more than the number of replicas changed; work when anything did.

    A service that no cluster was chosen for yet stays Initializing: its first steps are still to
    be taken, and they take the new spec.
    """
    if not _is_real(diff):
        return merged
    changes: dict[str, object] = {"request_method": RequestMethod.UPDATE, "status_reason": ""}
    untouched = merged.status == Status.INITIALIZING or not merged.observed.get("cluster")
    changes["status"] = Status.INITIALIZING if untouched else Status.UPDATING
    if any(change.path.startswith("spec.") and change.path != "spec.replicas" for change in diff):
        changes["revision"] = merged.revision + 1
    return merged.model_copy(update=changes)


def _is_real(diff: Sequence[FieldChange]) -> bool:
    return any(change.path != "max_revision_history" for change in diff)


def _volume_updated(merged: AnyResource, diff: Sequence[FieldChange]) -> AnyResource:
    status = Status.UPDATING if merged.status == Status.ACTIVE else merged.status
    return merged.model_copy(update={"status": status, "request_method": RequestMethod.UPDATE})


def _plain_updated(merged: AnyResource, diff: Sequence[FieldChange]) -> AnyResource:
    return merged.model_copy(update={"request_method": RequestMethod.UPDATE})


_CREATED: dict[str, Callable[[AnyResource], AnyResource]] = {
    "RegionService": _initializing,
    "Volume": _initializing,
    "GlobalService": _global_service,
    "Node": _unseen,
}
_UPDATED: dict[str, Callable[[AnyResource, Sequence[FieldChange]], AnyResource]] = {
    "RegionService": _service_updated,
    "Volume": _volume_updated,
    "GlobalService": lambda merged, diff: _global_service(_plain_updated(merged, diff)),
}
