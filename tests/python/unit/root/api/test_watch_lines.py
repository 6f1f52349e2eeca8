"""A change is encoded once for all watches whose tokens are shown the same of it, and never with more."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from controller.model import registry
from controller.model.registry import AnyResource
from controller.root.api import access, render, watch
from controller.store.changes import Change
from tests.python.unit.root.api.test_access import token

NODE = {"name": "n", "cluster": "tokyo1", "spec": {"providers": ["p"]}, "observed": {"drain": {"waiting": "x"}, "a": 1}}
COMPUTE = {
    "schedule_policy": {"rules": [{"axis": "power", "mode": "Affinity"}]},
    "flavor": "small",
    "image": "guest",
    "user_data": "#cloud-config\nkey",
}
SERVICE = {"name": "web", "region": "kanto", "project": "shop", "spec": {"replicas": 1, "compute": COMPUTE}}
TOKENS = [token("admin"), token("operator"), token("viewer"), token("operator", "shop"), token("viewer", "shop")]


@pytest.mark.parametrize(("kind", "given"), [("Node", NODE), ("RegionService", SERVICE)])
def test_it_is_encoded_once_for_all_who_are_shown_the_same(
    monkeypatch: pytest.MonkeyPatch, kind: str, given: dict[str, object]
) -> None:
    """Each watch of a viewer, and of a token of some projects, copied and encoded every change for itself."""
    resource = registry.get(kind).model.model_validate(given)
    change = Change(1, "Created", kind, "path", resource.model_dump_json(), datetime.now(UTC))
    encoded: list[AnyResource] = []

    def counted(one: AnyResource) -> bytes:
        encoded.append(one)
        return render.to_bytes(one)

    monkeypatch.setattr(watch, "to_bytes", counted)
    for _ in range(50):
        for bearer in TOKENS:
            line = watch._encoded(change, access.view_of(bearer, registry.get(kind)))
            assert json.loads(line) == json.loads(render.to_bytes(access.shown(bearer, change.resource)))
    assert len(encoded) == 2, "the tokens are shown two things"
