"""Answers of writes: the plan of a dry run, the results of a batch, the kept revisions of a service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from controller.model.fields import Change
from controller.root.api.answers.base import Answer, ClusterAnswer, JsonObject, Version
from controller.root.api.answers.problem import FieldProblem
from controller.root.writes import diff, immutability_rules, plan, plan_execution

Users = Annotated[list[str], Field(max_length=20)]


class FieldDifference(Answer):
    """One field that the write changes."""

    path: str
    before: Any
    after: Any
    change: Change

    @classmethod
    def of(cls, change: diff.FieldChange) -> FieldDifference:
        """Return the answer for one changed field."""
        return cls(path=change.path, before=change.before, after=change.after, change=change.change)


class Refusal(Answer):
    """One reason why the write is refused. `users` are there when other resources use this one."""

    code: str
    path: str
    message: str
    users: Users = Field(default_factory=list)
    user_count: int = 0

    @classmethod
    def of(cls, refusal: immutability_rules.Refusal) -> Refusal:
        """Return the answer for one refusal."""
        if refusal.users:
            users = list(refusal.users)
            return cls(
                code=refusal.code,
                path=refusal.path,
                message=refusal.message,
                users=users,
                user_count=refusal.user_count,
            )
        return cls(code=refusal.code, path=refusal.path, message=refusal.message)


class ServiceForecast(ClusterAnswer):
    """Where the Computes of a service would be placed, as of now; or why this is unknown."""

    unknown: str = Field("", description="Why no forecast is possible. Then no other field is there.")
    cluster: str = Field("", description="The cluster that would take the service; empty: none.")
    placements: dict[str, str] = Field(default_factory=dict, description="Name of each new Compute to its node.")
    reasons: dict[str, int] = Field(default_factory=dict, description="Why nodes were not chosen, counted.")
    refused_by: dict[str, str] = Field(
        default_factory=dict, description="Clusters that were asked before and would not take it, with the reasons."
    )


class PlannedChange(Answer):
    """What the write does with one resource."""

    kind: str
    key: str
    action: plan.Action
    diff: list[FieldDifference]
    refusals: list[Refusal]
    unresolved: list[FieldProblem]
    forecast: ServiceForecast | None

    @classmethod
    def of(cls, step: plan.Step) -> PlannedChange:
        """Return the answer for one step."""
        return cls(
            kind=step.key.kind,
            key=step.key.path,
            action=step.action,
            diff=[FieldDifference.of(change) for change in step.diff],
            refusals=[Refusal.of(refusal) for refusal in step.refusals],
            unresolved=[FieldProblem(path=one.path, message=one.message) for one in step.unresolved],
            forecast=None if step.forecast is None else ServiceForecast.model_validate(step.forecast),
        )


class Plan(Answer):
    """What a write would do as of a version. Diff and refusals are exact; `forecast` is not."""

    as_of: Version
    changes: list[PlannedChange]

    @classmethod
    def of(cls, found: plan.Plan) -> Plan:
        """Return the answer for a plan."""
        return cls(as_of=found.as_of, changes=[PlannedChange.of(step) for step in found.steps])


class WriteResult(Answer):
    """What became of one document."""

    kind: str
    key: str
    action: plan.Action
    uid: str
    status: str
    resource_version: Version
    secret: str = Field("", description="Of a new token: shown this once.")

    @classmethod
    def of(cls, result: plan_execution.Result) -> WriteResult:
        """Return the answer for one result."""
        found = cls(
            kind=result.key.kind,
            key=result.key.path,
            action=result.action,
            uid=result.resource.uid,
            status=result.resource.status,
            resource_version=result.resource.resource_version,
        )
        return found if result.secret is None else found.model_copy(update={"secret": result.secret})


class BatchResult(Answer):
    """What became of each document, in their order (deletes: children first)."""

    resource_version: Version
    results: list[WriteResult]

    @classmethod
    def of(cls, version: int, results: Sequence[plan_execution.Result]) -> BatchResult:
        """Return the answer for the results of one transaction, and the version after it."""
        return cls(resource_version=version, results=[WriteResult.of(result) for result in results])


class Revision(Answer):
    """One revision of a service that is kept."""

    revision: int = Field(ge=1)
    current: bool
    spec: JsonObject


class RevisionList(Answer):
    """The revisions of a service that are kept, oldest first."""

    items: list[Revision]
    resource_version: Version
