"""The documents of an owner, parsed as the root sends them.

An owner contains other resources: a RegionService contains its Computes and its Loadbalancer; a
Node and a JoinToken contain themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from pydantic import ValidationError

from controller.errors import InvalidInput, Problem
from controller.model import document, registry
from controller.model.access import JOIN_TOKEN
from controller.model.compute import COMPUTE
from controller.model.loadbalancer import LOADBALANCER
from controller.model.node import NODE
from controller.model.registry import AnyResource

PLACED = (COMPUTE.name, LOADBALANCER.name)
"""Kinds that the cluster places on nodes."""

_KINDS = {
    "RegionService": PLACED,
    "Node": (NODE.name,),
    "JoinToken": (JOIN_TOKEN.name,),
}


def parse(owner: str, texts: Iterable[bytes]) -> list[AnyResource]:
    """Return the documents of an owner; raises InvalidInput that names the bad one."""
    kinds = _KINDS.get(owner.partition(" ")[0], ())
    found = []
    for text in texts:
        raw = json.loads(text)
        if raw.get("kind") not in kinds:
            raise InvalidInput([Problem(owner, f"may not have a document of kind {raw.get('kind')!r}")])
        try:
            found.append(registry.get(raw["kind"]).model.model_validate(raw))
        except ValidationError as error:
            raise InvalidInput(document.problems(error, owner)) from None
    return found
