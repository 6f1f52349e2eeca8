"""One reconcile step of a RegionService, in one transaction.

:func:`advance` reads the service, its Computes and its Loadbalancer, and writes the changes that are due: new Computes
with their addresses, deletions after a smaller ``replicas`` (from the highest index down), the next Compute of a
rolling update, and the service's own status. It may be called at any time and any number of times; it writes only
differences.

Done elsewhere: the choice of the cluster, which calls clusters (``placement``), sending the desired state
(``cluster_link``) and writing observed state (``observed_state``).

Design: K1-K5
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from controller.counted import counted
from controller.model import compute, loadbalancer
from controller.model.compute import Compute
from controller.model.envelope import RequestMethod, Status
from controller.model.loadbalancer import Loadbalancer
from controller.model.region_service import RegionService
from controller.model.registry import Key, key_of
from controller.root.reconcile import address_allocation, broken_rules, desired_state, rolling_update
from controller.root.reconcile.cluster_view import ClusterView
from controller.root.reconcile.service_state import ServiceState, load, loadbalancer_key
from controller.root.service_template import Template, load_template
from controller.store import addresses, resources, revisions
from controller.store.database import Transaction


class Next(Enum):
    """What the caller is to do for the service after a step."""

    NOTHING = "nothing"
    CHOOSE_CLUSTER = "choose a cluster"
    DELETED = "deleted"


def advance(tx: Transaction, key: Key[RegionService], views: Mapping[str, ClusterView]) -> Next:
    """Make the next step of the service; see the module's description.

    Raises AddressesExhausted, NotFound: the caller writes them into the service's status with
    :func:`fail`, in a transaction of its own, for this one is rolled back.
    """
    state = load(tx, key)
    if state is None:
        return Next.DELETED
    view = views.get(state.cluster, ClusterView())
    if state.service.is_deleting:
        return _delete(tx, state, view)
    if not state.cluster:
        return Next.CHOOSE_CLUSTER
    _delete_released(tx, state, view)
    make = load_template(tx, state.service, state.cluster)
    _scale(tx, state, make)
    rolling_update.roll(tx, state, make)
    _balance(tx, state)
    _volumes(tx, state)
    _summarise(tx, state)
    protected = {item.revision for item in state.computes} | {state.service.revision}
    revisions.prune(tx, state.service.uid, state.service.max_revision_history, protected)
    return Next.NOTHING


def assign(tx: Transaction, key: Key[RegionService], uid: str, cluster: str) -> None:
    """Bind a service to the cluster that accepted it; the first binding stays.

    A service that was deleted and created again meanwhile is not bound: the cluster accepted another one.

    Design: J9
    """
    service = resources.find(tx, key)
    if service is not None and service.uid == uid and not service.facts.cluster:
        observed = {**service.observed, "cluster": cluster}
        resources.update(tx, [service.model_copy(update={"observed": observed, "status_reason": ""})])


def fail(tx: Transaction, key: Key[RegionService], status: Status, reason: str) -> None:
    """Write why a service makes no progress, if it differs from what is stored."""
    service = resources.find(tx, key)
    if service is None or service.is_deleting:
        return
    if (service.status, service.status_reason) != (status, reason):
        resources.update(tx, [service.model_copy(update={"status": status.value, "status_reason": reason})])


def _delete(tx: Transaction, state: ServiceState, view: ClusterView) -> Next:
    """Delete the Computes and the Loadbalancer of a service that is being deleted, then its row.

    Design: K1, K4
    """
    _mark_deleting(tx, state.alive)
    if state.loadbalancer is not None and not state.loadbalancer.is_deleting:
        _mark_deleting(tx, [state.loadbalancer])
    left = load(tx, key_of(state.service))
    if left is None:
        return Next.DELETED
    _delete_released(tx, left, view)
    if left.computes or left.loadbalancer is not None:
        return Next.NOTHING
    revisions.prune(tx, left.service.uid, 0, set())
    resources.delete(tx, [key_of(left.service)])
    return Next.DELETED


def _delete_released(tx: Transaction, state: ServiceState, view: ClusterView) -> None:
    """Delete the rows and free the addresses of what the cluster has released."""
    deleting: list[Compute | Loadbalancer] = [item for item in state.computes if item.is_deleting]
    if state.loadbalancer is not None and state.loadbalancer.is_deleting:
        deleting.append(state.loadbalancer)
    if not deleting:
        return
    owner = desired_state.service_owner(state.service, state.computes, state.loadbalancer)
    never_placed = not state.cluster
    free = [
        key_of(item)
        for item in deleting
        if never_placed or view.has_released(owner.name, owner.digest, str(key_of(item)))
    ]
    if not free:
        return
    for kind in sorted({item.kind for item in free}):
        addresses.free(tx, [item.path for item in free if item.kind == kind], kind)
    resources.delete(tx, free)
    deleted = set(free)
    state.computes = [item for item in state.computes if key_of(item) not in deleted]
    if state.loadbalancer is not None and key_of(state.loadbalancer) in deleted:
        state.loadbalancer = None


def _scale(tx: Transaction, state: ServiceState, make: Template) -> None:
    """Bring the number of Computes to ``replicas``: delete the highest indices, create the lowest free ones."""
    alive = state.alive
    surplus = len(alive) - state.service.spec.replicas
    if surplus > 0:
        _mark_deleting(tx, alive[-surplus:])
    elif surplus < 0:
        _create(tx, state, make, _new_indices(state, -surplus))
    else:
        return
    again = load(tx, key_of(state.service))
    if again is not None:
        state.computes = again.computes


def _new_indices(state: ServiceState, missing: int) -> list[int]:
    """Return the lowest indices that no live Compute has.

    An index whose Compute is still being deleted is not skipped: it is used after the deletion, so that the names
    have no gaps.
    """
    live = {item.spec.index for item in state.alive}
    deleting = {item.spec.index for item in state.computes} - live
    chosen: list[int] = []
    index = 0
    while missing:
        if index not in live:
            missing -= 1
            if index not in deleting:
                chosen.append(index)
        index += 1
    return chosen


def _create(tx: Transaction, state: ServiceState, make: Template, indices: Sequence[int]) -> None:
    if not indices:
        return
    names = {index: make.compute_name(index) for index in indices}
    keys = {
        index: compute.COMPUTE.key(state.service.region, name, project=state.service.project)
        for index, name in names.items()
    }
    interfaces = address_allocation.allocate(
        tx, state.cluster, make.service.spec.compute.network_policy, list(keys.values())
    )
    fresh = []
    for index in indices:
        spec = make.compute_spec(index, interfaces[keys[index]], state.volumes_of(index))
        new = make.compute(index, spec)
        fresh.append(new.model_copy(update={"status": Status.INITIALIZING.value}))
    resources.insert(tx, fresh)
    observed = {
        **state.service.observed,
        "made": state.service.facts.made + len(fresh),
    }
    counted = state.service.model_copy(update={"observed": observed})
    state.service = resources.update(tx, [counted])[0]


def _mark_deleting(tx: Transaction, items: Sequence[Compute | Loadbalancer]) -> None:
    changed = {"status": Status.DELETING.value, "status_reason": "", "request_method": RequestMethod.DELETE}
    if items:
        resources.update(tx, [item.model_copy(update=changed) for item in items])


def _balance(tx: Transaction, state: ServiceState) -> None:
    """Create, update or delete the Loadbalancer as the service asks.

    Design: K4
    """
    wanted = state.service.spec.loadbalancer
    present = state.loadbalancer
    if wanted is None:
        if present is not None and not present.is_deleting:
            _mark_deleting(tx, [present])
        return
    if present is None:
        key = loadbalancer_key(state.service)
        vip = address_allocation.allocate_vip(tx, state.cluster, wanted.network, key)
        spec = loadbalancer.LoadbalancerSpec(
            service=state.service.name, cluster=state.cluster, vip=vip, template=wanted
        )
        made = Loadbalancer(
            name=state.service.name,
            region=state.service.region,
            project=state.service.project,
            spec=spec,
            revision=state.service.revision,
            status=Status.INITIALIZING.value,
        )
        state.loadbalancer = resources.insert(tx, [made])[0]
    elif not present.is_deleting and present.spec.template != wanted:
        changed = present.model_copy(
            update={
                "spec": present.spec.model_copy(update={"template": wanted}),
                "revision": state.service.revision,
                "status": Status.UPDATING.value,
            }
        )
        state.loadbalancer = resources.update(tx, [changed])[0]


def _volumes(tx: Transaction, state: ServiceState) -> None:
    """Update the status of Volumes: a Volume is Active when its Compute runs with it."""
    by_index = {item.spec.index: item for item in state.alive}
    changed = []
    for item in state.volumes:
        owner = by_index.get(item.spec.attachment.index)
        attached = owner is not None and any(disk.name == item.name for disk in owner.spec.disks)
        if attached and owner is not None and owner.status == Status.ACTIVE:
            status, reason = Status.ACTIVE, ""
        else:
            status = Status.CREATING
            reason = f"waits for Compute {state.service.name}-{item.spec.attachment.index}"
        if (item.status, item.status_reason) != (status, reason):
            changed.append(item.model_copy(update={"status": status.value, "status_reason": reason}))
    if changed:
        resources.update(tx, changed)


def _summarise(tx: Transaction, state: ServiceState) -> None:
    """Update the service's status from its parts: it is Active only when all of them are."""
    service, alive = state.service, state.alive
    active = [item for item in alive if item.status == Status.ACTIVE]
    broken = [item for item in alive if item.status == Status.ERROR]
    balancer = state.loadbalancer
    working = Status.CREATING if service.request_method is RequestMethod.CREATE else Status.UPDATING
    status, reason = working, ""
    if not_applied := service.facts.not_applied:
        status, reason = Status.ERROR, not_applied
    elif broken:
        others = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        status, reason = Status.ERROR, f"{broken[0].name}: {broken[0].status_reason}{others}"
    elif state.waiting:
        status, reason = Status.UPDATING, f"{counted(len(state.waiting), 'Compute')} still to be updated"
    elif len(active) == len(alive) == len(state.computes) == service.spec.replicas:
        if balancer is None or balancer.status == Status.ACTIVE:
            status = Status.ACTIVE
        elif balancer.status_reason:
            reason = f"Loadbalancer: {balancer.status_reason}"
    observed = {**service.observed, "replicas": len(alive), "ready": len(active)}
    if status is Status.ACTIVE:
        broken_now = broken_rules.messages(service, alive)
        broken_rules.record(tx, service, broken_now)
        reason = broken_rules.reason(service, broken_now)
        observed.pop("broken_rules", None)
        if broken_now:
            observed["broken_rules"] = list(broken_now)
    if balancer is not None and balancer.spec.vip is not None:
        observed["vip"] = str(balancer.spec.vip)
    changed = service.model_copy(update={"status": status.value, "status_reason": reason, "observed": observed})
    if changed != service:
        resources.update(tx, [changed])
