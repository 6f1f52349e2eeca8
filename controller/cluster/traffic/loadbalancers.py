"""Reconciles the Loadbalancers of the cluster: their instances, on different nodes.

An instance is an Owner assignment on a node that offers the Loadbalancer's provider; where no node
does, the Loadbalancer stays Initializing with that reason. It becomes Active when the nodes report
as many active instances as desired, and never before.

Design: K4, K5
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.cluster.unit_of_work.unit_of_work import UnitOfWork, is_removed
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.loadbalancer import Loadbalancer
from controller.model.node import Capacity
from controller.model.registry import key_of
from controller.model.schedule_policy import RuleMode, SchedulePolicy, ScheduleRule
from controller.schedule import Placed, Refused, Request, place

_APART = SchedulePolicy(rules=(ScheduleRule(axis="node", mode=RuleMode.ANTI_AFFINITY, hard=True),))
_NOTHING = Capacity()


def reconcile(work: UnitOfWork, loadbalancers: Iterable[Loadbalancer]) -> None:
    """Take the next step of every Loadbalancer."""
    for loadbalancer in loadbalancers:
        for assignment in work.of(loadbalancer):
            if is_removed(assignment):
                work.release(assignment)
        if loadbalancer.is_deleting:
            _remove(work, loadbalancer)
        else:
            _maintain(work, loadbalancer)


def _remove(work: UnitOfWork, loadbalancer: Loadbalancer) -> None:
    mine = work.of(loadbalancer)
    if not mine:
        work.drop(loadbalancer)
        return
    for assignment in mine:
        work.give_role(assignment, AssignmentRole.LEAVING)
    work.edit(loadbalancer, status="Deleting:Scheduled", status_reason="")


def _maintain(work: UnitOfWork, loadbalancer: Loadbalancer) -> None:
    wanted = loadbalancer.spec.template.replicas
    owners = [each for each in work.of(loadbalancer) if each.spec.role is AssignmentRole.OWNER]
    staying = [each for each in owners if not _is_draining(work, each.spec.node)]
    refused = None
    if len(staying) < wanted:
        made, refused = _place(work, loadbalancer, wanted - len(staying))
        staying += made
    surplus = staying[wanted:]
    if len(staying) >= wanted:
        surplus += [each for each in owners if each not in staying]
    for assignment in surplus:
        work.give_role(assignment, AssignmentRole.LEAVING)
    _release_spec(work, loadbalancer, staying[:wanted])
    _set_status(work, loadbalancer, staying[:wanted], refused)


def _is_draining(work: UnitOfWork, name: str) -> bool:
    node = work.nodes.get(name)
    return node is not None and node.spec.drain


def _place(work: UnitOfWork, loadbalancer: Loadbalancer, number: int) -> tuple[list[Assignment], Refused | None]:
    mine = work.of(loadbalancer)
    last = max([loadbalancer.facts.attempt, *(each.spec.attempt for each in mine)])
    requests = [
        Request(
            key=str(offset),
            service=str(key_of(loadbalancer)),
            index=offset,
            need=_NOTHING,
            provider=loadbalancer.spec.template.provider,
            policy=_APART,
            avoid=frozenset(each.spec.node for each in mine),
        )
        for offset in range(1, number + 1)
    ]
    made, refused = [], None
    for answer in place(work.snapshot, requests):
        if isinstance(answer, Placed):
            attempt = last + answer.request.index
            made.append(work.assign(loadbalancer, answer.node, AssignmentRole.OWNER, answer.share, attempt))
            work.edit(loadbalancer, observed={"attempt": attempt})
            work.record_event(loadbalancer, "Scheduled", f"placed on {answer.node}")
        else:
            refused = refused or answer
    return made, refused


def _release_spec(work: UnitOfWork, loadbalancer: Loadbalancer, owners: list[Assignment]) -> None:
    desired = loadbalancer.spec.model_dump(mode="json")
    for owner in owners:
        work.edit(owner, spec={"desired": desired, "revision": loadbalancer.revision})


def _set_status(
    work: UnitOfWork, loadbalancer: Loadbalancer, owners: list[Assignment], refused: Refused | None
) -> None:
    active = [
        each
        for each in owners
        if each.status == "Active" and each.facts.revision == each.spec.revision == loadbalancer.revision
    ]
    failed = [each for each in owners if each.status == "Error"]
    reason = f"no node fits: {refused.message}" if refused is not None else ""
    if failed:
        status, reason = "Error", f"{failed[0].spec.node}: {failed[0].status_reason}"
    elif not owners:
        status = "Initializing"
    elif len(active) == loadbalancer.spec.template.replicas:
        status = "Active"
    elif loadbalancer.status in ("Active", "Updating", "Updating:Scheduled"):
        status = "Updating:Scheduled"
    else:
        status = "Creating:Scheduled"
    work.edit(
        loadbalancer,
        status=status,
        status_reason=reason,
        observed={"nodes": sorted(each.spec.node for each in owners), "ready": len(active)},
    )
