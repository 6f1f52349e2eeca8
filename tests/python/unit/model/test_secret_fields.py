"""Secret fields: where they are, and how they are hidden."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.model import document, registry, secret_fields
from controller.model.region_service import REGION_SERVICE, RegionService

SERVICE = {
    "kind": "RegionService",
    "name": "web",
    "region": "kanto",
    "spec": {
        "replicas": 3,
        "compute": {
            "flavor": "small",
            "image": "guest",
            "schedule_policy": {"rules": [{"axis": "power", "mode": "AntiAffinity"}]},
        },
    },
}


def service(user_data: str) -> RegionService:
    raw: dict[str, Any] = json.loads(json.dumps(SERVICE))
    raw["spec"]["compute"]["user_data"] = user_data
    return RegionService.model_validate(raw)


@given(st.text(min_size=1, max_size=40).map(lambda text: f"#cloud-config {text}"))
def test_both_forms_hide_the_same(user_data: str) -> None:
    found = service(user_data)
    hidden = secret_fields.redacted(found)
    assert hidden.spec.compute.user_data == "(secret)"
    assert document.render(hidden) == secret_fields.redacted_document(RegionService, document.render(found))
    assert document.render(hidden)["spec"]["compute"].pop("user_data")
    assert found.spec.compute.user_data == user_data, "the resource itself is as it was"


def test_an_empty_secret_is_shown_as_empty() -> None:
    assert secret_fields.redacted(service("")) == service("")


def test_which_kinds_have_secrets() -> None:
    assert {kind.name for kind in registry.kinds() if secret_fields.has_secrets(kind.model)} == {
        "Compute",
        "RegionService",
    }


@pytest.mark.parametrize("path", ["spec", "spec.compute", "spec.compute.user_data", "spec.compute.user_data.0"])
def test_filters_that_would_tell_of_a_secret(path: str) -> None:
    assert secret_fields.reveals(REGION_SERVICE.model, path)


@pytest.mark.parametrize("path", ["name", "spec.replicas", "spec.compute.flavor", "observed.cluster"])
def test_filters_that_do_not(path: str) -> None:
    assert not secret_fields.reveals(REGION_SERVICE.model, path)


def test_the_placeholder_is_not_taken_for_a_value() -> None:
    """A document that a viewer had read would have written it over the value."""
    with pytest.raises(ValidationError, match="stands for a value that was not shown"):
        service(secret_fields.HIDDEN)
