"""What becomes of each Loadbalancer of the cluster (K4, K5): instances on different nodes.

An instance is an Owner assignment on a node that offers the Loadbalancer's provider; where no node
does, the Loadbalancer stays Initializing with that reason. It is Active when as many instances as
asked are, by the word of their nodes, and never before.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.cluster.unit_of_work.unit_of_work import Plan, is_gone
from controller.model.assignment import Assignment, AssignmentRole
from controller.model.loadbalancer import Loadbalancer
from controller.model.node import Capacity
from controller.model.registry import key_of
from controller.model.schedule_policy import RuleMode, SchedulePolicy, ScheduleRule
from controller.schedule import Placed, Refused, Request, place

_APART = SchedulePolicy(rules=(ScheduleRule(axis="node", mode=RuleMode.ANTI_AFFINITY, hard=True),))
_NOTHING = Capacity()


def reconcile(plan: Plan, loadbalancers: Iterable[Loadbalancer]) -> None:
    """Bring every Loadbalancer one step on."""
    for loadbalancer in loadbalancers:
        for assignment in plan.of(loadbalancer):
            if is_gone(assignment):
                plan.release(assignment)
        if loadbalancer.is_deleting:
            _remove(plan, loadbalancer)
        else:
            _keep(plan, loadbalancer)


def _remove(plan: Plan, loadbalancer: Loadbalancer) -> None:
    mine = plan.of(loadbalancer)
    if not mine:
        plan.drop(loadbalancer)
        return
    for assignment in mine:
        plan.give_role(assignment, AssignmentRole.LEAVING)
    plan.edit(loadbalancer, status="Deleting:Scheduled", status_reason="")


def _keep(plan: Plan, loadbalancer: Loadbalancer) -> None:
    wanted = loadbalancer.spec.template.replicas
    owners = [each for each in plan.of(loadbalancer) if each.spec.role is AssignmentRole.OWNER]
    staying = [each for each in owners if not _is_draining(plan, each.spec.node)]
    refused = None
    if len(staying) < wanted:
        made, refused = _place(plan, loadbalancer, wanted - len(staying))
        staying += made
    surplus = staying[wanted:]
    if len(staying) >= wanted:
        surplus += [each for each in owners if each not in staying]
    for assignment in surplus:
        plan.give_role(assignment, AssignmentRole.LEAVING)
    _hand_over(plan, loadbalancer, staying[:wanted])
    _take_word(plan, loadbalancer, staying[:wanted], refused)


def _is_draining(plan: Plan, name: str) -> bool:
    node = plan.nodes.get(name)
    return node is not None and node.spec.drain


def _place(plan: Plan, loadbalancer: Loadbalancer, number: int) -> tuple[list[Assignment], Refused | None]:
    mine = plan.of(loadbalancer)
    last = max([int(loadbalancer.observed.get("attempt", 0)), *(each.spec.attempt for each in mine)])
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
    for answer in place(plan.snapshot, requests):
        if isinstance(answer, Placed):
            attempt = last + answer.request.index
            made.append(plan.assign(loadbalancer, answer.node, AssignmentRole.OWNER, answer.share, attempt))
            plan.edit(loadbalancer, observed={"attempt": attempt})
            plan.tell(loadbalancer, "Scheduled", f"placed on {answer.node}")
        else:
            refused = refused or answer
    return made, refused


def _hand_over(plan: Plan, loadbalancer: Loadbalancer, owners: list[Assignment]) -> None:
    desired = loadbalancer.spec.model_dump(mode="json")
    for owner in owners:
        plan.edit(owner, spec={"desired": desired, "revision": loadbalancer.revision})


def _take_word(plan: Plan, loadbalancer: Loadbalancer, owners: list[Assignment], refused: Refused | None) -> None:
    active = [
        each
        for each in owners
        if each.status == "Active" and each.observed.get("revision") == each.spec.revision == loadbalancer.revision
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
    plan.edit(
        loadbalancer,
        status=status,
        status_reason=reason,
        observed={"nodes": sorted(each.spec.node for each in owners), "ready": len(active)},
    )
