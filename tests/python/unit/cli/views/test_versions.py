"""Versions side by side, and what is said where they differ."""

from __future__ import annotations

from controller.cli.views import versions
from controller.client.requests import API_VERSION
from controller.root.api.versions import CURRENT


def test_the_client_is_for_the_current_version_of_the_api() -> None:
    assert API_VERSION == CURRENT


def test_nothing_is_said_where_all_are_alike() -> None:
    shown = versions.view("1.0", API_VERSION, {("resource-api", "1.0"): 2})
    assert shown.rows == [("resourcectl", "1.0", "-"), ("resource-api", "1.0", "2")]
    assert shown.lines == [f"API version {API_VERSION}"]


def test_skew_is_told() -> None:
    lines = versions.view("1.0", "7", {("resource-api", "1.1"): 1, ("cluster-agent", "0.9"): 3}).lines
    assert lines[1].startswith(f"warning: this resourcectl is for version {API_VERSION} of the API")
    assert lines[2] == "warning: this resourcectl is 1.0, others are 0.9, 1.1"
