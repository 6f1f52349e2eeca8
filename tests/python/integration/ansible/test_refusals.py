"""Bad input: one clear message each, and nothing is changed."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.python.integration.ansible.conftest import Plays, Task
from tests.python.integration.cli.conftest import Server

REGION = {"resource.infra.region": {"name": "kanto"}}
NONE_MADE = {"resource.infra.datacenter_info": {}, "register": "r", "failed_when": "r.resources != []"}


@pytest.mark.design("N1")
def test_wrong_token_is_told(plays: Plays) -> None:
    message = plays.refused({"resource.infra.region": {"name": "kanto", "api_token": "rs_wrong"}})
    assert "token" in message


def test_unreachable_api_is_told_with_its_address(plays: Plays) -> None:
    message = plays.refused(REGION, RESOURCE_SERVER="http://127.0.0.1:1")
    assert message == "http://127.0.0.1:1 cannot be reached: [Errno 111] Connection refused"


def test_missing_address_names_option_and_variable(plays: Plays) -> None:
    assert plays.refused(REGION, RESOURCE_SERVER="") == (
        "no API: set api_url, or the environment variable RESOURCE_SERVER"
    )


def test_unknown_option_is_told(plays: Plays) -> None:
    message = plays.refused({"resource.infra.rack": {"name": "r", "datacenter": "tokyo", "heigth_units": 42}})
    assert message.startswith("rack: unknown option heigth_units.")


def test_bad_value_names_the_field(plays: Plays) -> None:
    tasks = [
        {"resource.infra.datacenter": {"name": "tokyo"}},
        {"resource.infra.floor": {"name": "f", "datacenter": "tokyo"}},
    ]
    bad = {"resource.infra.rack": {"name": "r", "datacenter": "tokyo", "floor": "f", "height_units": 0}}
    message = plays.refused(*tasks, bad)
    assert message == "r: spec.height_units: Input should be greater than or equal to 1"


def test_missing_parent_is_refused_by_name(plays: Plays) -> None:
    message = plays.refused({"resource.infra.floor": {"name": "f", "datacenter": "nowhere"}})
    assert "datacenter" in message
    assert "nowhere" in message


def test_half_of_an_apply_wrong_changes_nothing_and_names_the_document(plays: Plays, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "kind: Datacenter\nname: tokyo\n---\nkind: Floor\nname: f1\ndatacenter: tokyo\nspec: {stories: 3}\n"
    )
    message = plays.refused({"resource.infra.apply": {"src": ["site.yaml"]}})
    assert message == "site.yaml[1] Floor f1: spec.stories: unknown field"
    plays.ok([NONE_MADE])


def test_file_that_is_no_yaml_is_told_with_its_line(plays: Plays, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text("kind: Datacenter\nname: [tokyo\n")
    message = plays.refused({"resource.infra.apply": {"src": ["site.yaml"]}})
    assert message.startswith("src site.yaml: ")
    assert "line 3" in message


def test_purge_without_labels_is_refused(plays: Plays) -> None:
    message = plays.refused({"resource.infra.apply": {"documents": [], "purge": True}})
    assert message.startswith("purge: needs labels")


class _Newer(http.server.BaseHTTPRequestHandler):
    """An API that no longer knows /v1."""

    def do_GET(self) -> None:
        self.send_error(404, "Not Found")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the base)
        pass


@pytest.fixture
def newer() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Newer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_api_newer_than_the_collection_is_told(plays: Plays, newer: str) -> None:
    message = plays.refused(REGION, RESOURCE_SERVER=newer)
    assert f"{newer} does not offer what this collection asks for" in message


@pytest.mark.parametrize(
    "task",
    [
        {"resource.infra.region": {"name": "kanto", "state": "absent"}},
        {"resource.infra.region_info": {"name": "kanto"}},
    ],
    ids=["gone", "info"],
)
def test_an_address_below_which_there_is_no_api_is_not_taken_for_a_resource_that_is_gone(
    plays: Plays, server: Server, task: Task
) -> None:
    message = plays.refused(task, RESOURCE_SERVER=f"{server.url}/wrong")
    assert "there is nothing at '/wrong/v1/regions/kanto'" in message
