"""Parses the documents of an owner that the root sends.

An owner contains other resources: a RegionService contains its Computes and its Loadbalancer; a
Node and a JoinToken contain themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from pydantic import ValidationError

from controller.errors import InvalidInput, Problem
from controller.model import document, registry
from controller.model.registry import AnyResource


def parse(owner: str, texts: Iterable[bytes]) -> list[AnyResource]:
    """Return the documents of an owner; raises InvalidInput that names the bad one."""
    name = owner.partition(" ")[0]
    kinds = [kind.name for kind in registry.kinds() if kind.replication.sent_with == name]
    found = []
    for text in texts:
        raw = json.loads(text)
        if raw.get("kind") not in kinds:
            raise InvalidInput([Problem(owner, f"may not have a document of kind {raw.get('kind')!r}")])
        try:
            found.append(registry.get(raw["kind"]).model.read_peer(raw))
        except ValidationError as error:
            raise InvalidInput(document.problems(error, owner)) from None
    return found
