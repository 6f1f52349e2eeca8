"""Addresses are written as text; numbers and truth values are not taken for them.

``subnet: true`` once was 0.0.0.1/32, by way of a warning.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from controller.model.network import NetworkV4Spec

SPEC: dict[str, Any] = {
    "subnet": "172.16.10.0/24",
    "gateway": "172.16.10.1",
    "start_address": "172.16.10.10",
    "end_address": "172.16.10.250",
}


@pytest.mark.parametrize("value", [True, False, 1, 2886732288, 1.5, None, [], ["172.16.10.0", 24], {}])
@pytest.mark.parametrize("name", list(SPEC))
def test_what_is_no_text_is_refused_with_the_path(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match="must be a string") as caught:
        NetworkV4Spec.model_validate({**SPEC, name: value})
    assert {error["loc"][0] for error in caught.value.errors()} == {name}


def test_text_is_read_and_what_was_read_is_taken_again() -> None:
    spec = NetworkV4Spec.model_validate(SPEC)
    assert NetworkV4Spec.model_validate(spec.model_dump()) == spec
    assert spec.model_dump(mode="json") == {**spec.model_dump(mode="json"), **SPEC}
