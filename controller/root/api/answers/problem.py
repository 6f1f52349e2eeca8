"""The problem document: the answer of every refusal."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controller.root.api.answers.base import Answer


class FieldProblem(Answer):
    """One field that is wrong."""

    path: str
    message: str


class Problem(Answer):
    """RFC 9457. `code` never changes its meaning; `detail` is for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: Annotated[list[FieldProblem], Field(max_length=100)] = Field(default_factory=list)
    error_count: int = 0
    reasons: dict[str, int] = Field(default_factory=dict)
    users: Annotated[list[str], Field(max_length=20)] = Field(default_factory=list)
    user_count: int = 0
