"""Bad input: one clear message each, and nothing is changed."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.model import registry
from controller.store import resources
from controller.store.database import Database
from tests.python.integration.ansible.cases import arguments, task
from tests.python.integration.ansible.conftest import Plays, Task
from tests.python.integration.cli.conftest import Server

REGION: Task = {"resource.infra.region": {"name": "kanto"}}


def stored(db: Database) -> dict[str, int]:
    """All that there is, with its version; refusals are audited, which is no change."""
    kinds = [kind.name for kind in registry.kinds() if kind.name != "AuditRecord"]
    found = db.read(lambda tx: [one for kind in kinds for one in resources.list_all(tx, kind)])
    return {str(registry.key_of(one)): one.resource_version for one in found}


class Refusals:
    """Runs bad tasks in one play, for each play takes its time to start; nothing may be changed by any of them."""

    def __init__(self, plays: Plays, db: Database) -> None:
        self.plays, self._db = plays, db

    def results(self, *tasks: Task, **environ: str) -> list[dict[str, Any]]:
        """The result of each task: it fails, in one line, says that it changed nothing, and nothing is changed."""
        before = stored(self._db)
        ignored = [{**one, "name": f"task {number}", "ignore_errors": True} for number, one in enumerate(tasks)]
        done = self.plays.run(ignored, **environ)
        lines = [line.partition("=> ")[2] for line in done.stdout.splitlines() if line.startswith("fatal:")]
        found: list[dict[str, Any]] = [json.loads(line) for line in lines]
        assert len(found) == len(tasks), done.stdout
        assert all(one["changed"] is False and "\n" not in one["msg"] for one in found), done.stdout
        assert stored(self._db) == before
        return found

    def messages(self, *tasks: Task, **environ: str) -> list[str]:
        """The messages of ``results``."""
        return [str(one["msg"]) for one in self.results(*tasks, **environ)]


@pytest.fixture
def refusals(plays: Plays, db: Database) -> Refusals:
    return Refusals(plays, db)


def both(module: str, **options: Any) -> list[Task]:
    """The task, and the same in check mode."""
    name = f"resource.infra.{module}"
    return [{name: options}, {name: options, "check_mode": True}]


@pytest.mark.design("N1")
def test_wrong_token_is_told_by_every_sort_of_module(refusals: Refusals) -> None:
    bad = {"api_token": "rs_wrong"}
    tasks: list[Task] = [
        *both("region", name="kanto", **bad),
        *both("region", name="kanto", state="absent", **bad),
        *both("node_cordon", cluster="tokyo1", name="server1", **bad),
        *both("compute_delete", region="kanto", name="web-0", **bad),
        *both("region_info", **bad),
        *both("apply", documents=[{"kind": "Region", "name": "kanto"}], **bad),
    ]
    results = refusals.results(*tasks)
    assert {one["msg"].rpartition(": ")[2] for one in results} == {"the token is not known, was revoked or has expired"}
    assert {(one["code"], one["status"]) for one in results} == {("unauthenticated", 401)}


@pytest.mark.design("N1")
def test_api_that_cannot_be_asked_is_told(refusals: Refusals, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    secret = "rs_a\nb"
    assert refusals.messages(
        *both("region", name="kanto", api_url="http://127.0.0.1:1"),
        {"resource.infra.apply": {"documents": [{"kind": "Region", "name": "x"}], "api_url": "http://127.0.0.1:1"}},
        {"resource.infra.region": {"name": "kanto", "api_url": "api.example.com"}},
        {"resource.infra.region": {"name": "kanto", "api_timeout": 0}},
        {"resource.infra.region": {"name": "kanto", "api_timeout": "soon"}},
        {"resource.infra.region": {"name": "kanto", "wait_timeout": -1}},
        {"resource.infra.region": {"name": "kanto", "api_token_file": "/nowhere", "api_token": ""}},
        {"resource.infra.region": {"name": "kanto", "api_token_file": str(tmp_path / "binary")}},
        {"resource.infra.region": {"name": "kanto", "api_token": secret}},
    ) == [
        *["http://127.0.0.1:1 cannot be reached: [Errno 111] Connection refused"] * 3,
        "'api.example.com' is no address of an API: it must start with http://, https:// or unix:/",
        "region: api_timeout: must be above 0",
        "region: argument 'api_timeout' is of type str and we were unable to convert to float",
        "region: wait_timeout: must not be below 0",
        "api_token_file /nowhere: No such file or directory",
        f"api_token_file {tmp_path / 'binary'}: is no text",
        "the token holds blanks or letters that no token has: is it the whole token, and only that?",
    ]
    assert refusals.messages(*both("region", name="kanto"), RESOURCE_SERVER="") == (
        ["no API: set api_url, or the environment variable RESOURCE_SERVER"] * 2
    )
    assert refusals.messages(*both("region", name="kanto"), RESOURCE_TOKEN_FILE="") == (
        ["no token: set api_token or api_token_file, or the environment variable RESOURCE_TOKEN"] * 2
    )


@pytest.mark.design("N1")
def test_play_of_a_refused_task_ends_with_an_error(plays: Plays) -> None:
    message = plays.refused(REGION, RESOURCE_SERVER="http://127.0.0.1:1")
    assert message == "http://127.0.0.1:1 cannot be reached: [Errno 111] Connection refused"
    message = plays.refused(
        {"resource.infra.apply": {"documents": [{"kind": "Region", "name": "x", "spec": {"y": 1}}]}}
    )
    assert message == "documents[0] Region x: spec.y: unknown field"


@pytest.mark.design("N1")
def test_bad_options_are_told_by_their_names(refusals: Refusals, plays: Plays) -> None:
    site = [task(module, "create", arguments(module)) for module in ("region", "datacenter", "floor", "image")]
    plays.ok(site)
    rack = {"name": "r", "datacenter": "tokyo", "floor": "floor-1-1-1"}
    told = refusals.messages(
        *both("rack", **rack, heigth_units=42),
        *both("resource_flavor", name="small", provider="libvirt", sizes={"vcpu": 1}),
        *both("rack", **rack, height_units=0),
        *both("floor", name="f", datacenter="tokyo", state="gone"),
        *both("region", name="kanto", labels=["a"]),
        *both("region", name=""),
        *both("region", name="kanto/images/guest", state="absent"),
        *both("image_info", region="../.."),
        {"resource.infra.floor": {"name": "f", "datacenter": "nowhere"}},
    )
    assert told[0::2] == [
        "rack: unknown option heigth_units. Supported parameters include: api_timeout, api_token, api_token_file, "
        "api_url, ca_cert, clear, client_cert, client_key, column, datacenter, floor, headers, height_units, labels, "
        "name, pair, row, state, validate_certs, wait, wait_timeout.",
        told[2],
        "r: spec.height_units: Input should be greater than or equal to 1, not 0",
        "floor: value of state must be one of: present, absent, got: gone",
        "region: argument 'labels' is of type list and we were unable to convert to dict",
        "name: '' is no name",
        "name: 'kanto/images/guest' is no name",
        "region: '../..' is no name",
        "f: datacenter: Datacenter nowhere does not exist",
    ]
    assert told[1::2] == told[0:-1:2], "check mode tells the same"
    missing, _semicolon, unknown = told[2].partition("; ")
    assert missing == "resource_flavor: missing required arguments: disk_gib, memory_mib, vcpus found in sizes"
    assert unknown.startswith("unknown option sizes.vcpu. Supported parameters include: cpu_mode")


@pytest.mark.design("N1")
def test_what_is_in_use_is_told_with_its_users(refusals: Refusals, plays: Plays) -> None:
    plays.ok([task(module, "create", arguments(module)) for module in ("region", "datacenter", "cluster")])
    told = refusals.messages(*both("region", name="kanto", state="absent"))
    assert {one.removeprefix("kanto: ") for one in told} == {"Region kanto is in use, used by Cluster tokyo1"}


@pytest.mark.design("N1")
def test_half_of_an_apply_wrong_changes_nothing_and_names_the_document(refusals: Refusals, tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(
        "kind: Datacenter\nname: tokyo\n---\nkind: Floor\nname: f1\ndatacenter: tokyo\nspec: {stories: 3}\n"
    )
    (tmp_path / "orphan.yaml").write_text("kind: Region\nname: kanto\n---\nkind: Floor\nname: f1\ndatacenter: none\n")
    good, twice = {"kind": "Region", "name": "kanto"}, {"kind": "Region", "name": "kanto", "labels": {"a": "b"}}
    told = refusals.messages(
        *both("apply", src=["site.yaml"]),
        *both("apply", documents=[good, {"kind": "Rock", "name": "x"}]),
        *both("apply", documents=[good, twice]),
        {"resource.infra.apply": {"src": ["orphan.yaml"]}},
    )
    assert told[::2] == [
        "site.yaml[1] Floor f1: spec.stories: unknown field",
        told[2],
        "documents[1] Region kanto: Region kanto is given twice, in documents[0] Region kanto already",
        "orphan.yaml[1] Floor f1: datacenter: Datacenter none does not exist",
    ]
    assert told[1::2] == told[0:-1:2], "check mode tells the same"
    assert told[2].startswith("documents[1] Rock x: kind: unknown kind 'Rock'; known kinds: ")


@pytest.mark.design("N1")
def test_files_that_cannot_be_read_are_told(refusals: Refusals, tmp_path: Path) -> None:
    (tmp_path / "torn.yaml").write_text("kind: Datacenter\nname: [tokyo\n")
    (tmp_path / "twice.yaml").write_text("kind: Region\nname: a\nname: b\n")
    (tmp_path / "words.yaml").write_text("- just\n- words\n")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    (tmp_path / "folder").mkdir()
    files = ("twice.yaml", "words.yaml", "empty.yaml", "folder", "none.yaml", "torn.yaml")
    told = refusals.messages(
        *({"resource.infra.apply": {"src": [file]}} for file in files), {"resource.infra.apply": {}}
    )
    assert told[:5] == [
        "src twice.yaml: line 3: 'name' is given twice",
        "src words.yaml[0]: is no document but a str",
        "src empty.yaml: holds no documents",
        "src folder: holds no documents",
        "src none.yaml: the file or folder does not exist, in files/ or beside the play",
    ]
    assert told[5].startswith("src torn.yaml: ")
    assert "line 3" in told[5]
    assert told[6] == "apply: needs documents, or src"


@pytest.mark.design("N1")
def test_purge_that_would_take_in_nearly_everything_is_refused(refusals: Refusals, plays: Plays) -> None:
    """An empty selector stands for no condition at all: a variable that is empty would have the whole site removed."""
    plays.ok([REGION])
    selectors = ([""], ["a=b", " "], ["a=b,"], ["!a"], ["a!=b", "c notin (d,e)"])
    told = refusals.messages(
        *({"resource.infra.apply": {"documents": [], "purge": True, "labels": labels}} for labels in selectors),
        {"resource.infra.apply": {"documents": [], "purge": True}},
        {"resource.infra.apply": {"documents": [], "purge": True, "labels": ["a=b"], "state": "absent"}},
    )
    assert [one[:20] for one in told] == [
        *["labels: one of them "] * 3,
        *["labels: purge needs "] * 2,
        *["purge: needs labels,"] * 2,
    ]
    plays.ok([task("apply", "create again", {"documents": [], "purge": True, "labels": ["a in (b,c),!d"]})])


@pytest.mark.design("N1")
def test_a_cut_list_of_documents_purges_nothing_unless_told(refusals: Refusals, plays: Plays) -> None:
    """An empty variable, a template that renders a part: the list is short, and a site would be deleted."""
    regions = [{"kind": "Region", "name": f"r{number}", "labels": {"by": "cut"}} for number in range(4)]
    purge = {"purge": True, "labels": ["by=cut"]}
    plays.ok([task("apply", "create", {"documents": regions})])
    told = refusals.messages(
        {"resource.infra.apply": {"documents": [], **purge}},
        {"resource.infra.apply": {"documents": regions[:1], **purge}},
        {"resource.infra.apply": {"documents": regions[:3], **purge, "purge_limit": 20}},
        {"resource.infra.apply": {"documents": regions, **purge, "purge_limit": 101}},
    )
    assert told == [
        "purge: would delete 4 of the 4 resources that have the labels, which is more than purge_limit (50 %):"
        " set purge_limit to 100 if this is meant",
        "purge: would delete 3 of the 4 resources that have the labels, which is more than purge_limit (50 %):"
        " set purge_limit to 75 if this is meant",
        "purge: would delete 1 of the 4 resources that have the labels, which is more than purge_limit (20 %):"
        " set purge_limit to 25 if this is meant",
        "purge_limit: must be a percentage, from 0 to 100",
    ]
    plays.ok(
        [
            task("apply", "change", {"documents": regions[:2], **purge}, "r.counts.delete != 2", about="half"),
            task("apply", "delete", {"documents": [], **purge, "purge_limit": 100}, "r.counts.delete != 2"),
        ]
    )


def test_times_without_quotes_are_sent_as_texts(plays: Plays, tmp_path: Path) -> None:
    """YAML makes a time of them, which JSON has not: the task ended with an error about Python."""
    token = "kind: Token\nname: {name}\nspec: {{role: viewer, expires_at: 2030-01-01T00:00:00Z}}\n"
    (tmp_path / "token.yaml").write_text(token.format(name="a"))
    play = "- hosts: localhost\n  gather_facts: false\n  tasks:\n"
    apply = "  - resource.infra.apply: {src: [token.yaml], documents: ["
    path = tmp_path / "play-times.yml"
    inline = "{kind: Token, name: b, spec: {role: viewer, expires_at: 2030-01-01T00:00:00Z}}"
    module = "resource.infra.token: {name: a, role: viewer, expires_at: 2030-01-01T00:00:00Z}"
    path.write_text(f"{play}{apply}{inline}]}}\n  - {module}\n")
    done = plays.playbook(path)
    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout, "the module asks for the same"


class _Foreign(http.server.BaseHTTPRequestHandler):
    """A server that does not know /v1."""

    def do_GET(self) -> None:
        self.send_error(404, "Not Found")

    do_POST = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name of the base)
        pass


@pytest.fixture
def foreign() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Foreign) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_server_that_is_not_the_api_is_told(refusals: Refusals, foreign: str) -> None:
    told = refusals.messages(
        *both("region", name="kanto"),
        *both("region", name="kanto", state="absent"),
        *both("apply", documents=[{"kind": "Region", "name": "kanto"}]),
        RESOURCE_SERVER=foreign,
    )
    assert all(f"{foreign} does not offer what this collection asks for" in one for one in told), told


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
    assert "'/wrong/v1/regions/kanto' does not exist" in message
