"""An error that comes after something was written says so, and stays the error that it was."""

from __future__ import annotations

import pytest

from controller.errors import Conflict, InvalidInput, Problem, ResourceError, Unavailable
from inventory_sync import partial_failure


@pytest.mark.parametrize(
    "error", [Unavailable("away"), Conflict("taken", users=["Rack r1"]), InvalidInput([Problem("spec.x", "is bad")])]
)
def test_what_was_written_is_told_with_the_error(error: ResourceError) -> None:
    with (
        pytest.raises(type(error)) as caught,
        partial_failure.with_progress(lambda: partial_failure.progress(3, 7, "documents")),
    ):
        raise error
    told = "; 3 of 7 documents were written before; another run writes the rest"
    assert str(caught.value).endswith(told) or caught.value.message.endswith(told)
    if isinstance(caught.value, InvalidInput):
        assert caught.value.problems[0] == Problem("spec.x", "is bad")


def test_where_nothing_was_written_the_error_is_as_it_was() -> None:
    with (
        pytest.raises(Unavailable) as caught,
        partial_failure.with_progress(lambda: partial_failure.progress(0, 7, "documents")),
    ):
        raise Unavailable("away")
    assert caught.value.message == "away"
