"""Fields get their defaults again by ``clear``: every field that a resource can be without."""

from __future__ import annotations

import pytest

from controller.model import field_descriptions, registry
from controller.model.datacenter import Rack
from controller.store import resources
from controller.store.database import Database
from scripts import collection
from tests.python.integration.ansible.conftest import Plays, Task


def rack(db: Database) -> Rack:
    found = db.read(lambda tx: resources.get(tx, registry.get("Rack").key("tokyo", "a")))
    assert isinstance(found, Rack)
    return found


@pytest.mark.design("N1")
def test_a_cleared_field_has_its_default_and_clearing_again_changes_nothing(plays: Plays, db: Database) -> None:
    base = {"name": "a", "datacenter": "tokyo", "floor": "f"}
    clear = {"resource.infra.rack": {**base, "clear": ["pair", "row", "labels"]}, "register": "done"}
    tasks: list[Task] = [
        {"resource.infra.datacenter": {"name": "tokyo"}},
        {"resource.infra.floor": {"name": "f", "datacenter": "tokyo"}},
        {"resource.infra.rack": {**base, "name": "b"}},
        {"resource.infra.rack": {**base, "row": 7, "column": 3, "pair": "b", "labels": {"env": "lab"}}},
        {**clear, "check_mode": True},
        {"ansible.builtin.assert": {"that": ["done is changed"]}},
        {"resource.infra.rack_info": {"datacenter": "tokyo", "name": "a"}, "register": "before"},
        {"ansible.builtin.assert": {"that": ["before.resources[0].spec.pair == 'b'"]}},
        clear,
        {"ansible.builtin.assert": {"that": ["done is changed"]}},
        clear,
        {"ansible.builtin.assert": {"that": ["done is not changed"]}},
        {**clear, "check_mode": True},
        {"ansible.builtin.assert": {"that": ["done is not changed"]}},
        {"resource.infra.rack": {**base, "row": 8, "clear": ["row"]}, "register": "both", "ignore_errors": True},
        {"ansible.builtin.assert": {"that": ["both is failed", "both.msg == 'clear: row is also given a value'"]}},
    ]
    plays.ok(tasks)
    found = rack(db)
    assert (found.spec.pair, found.spec.row, found.spec.column, found.labels) == (None, 1, 3, {})


def test_every_field_that_is_not_required_can_be_cleared() -> None:
    for name, entry in collection.modules().items():
        table = entry["table"]
        if table["run"] != "state":
            continue
        described = field_descriptions.of_spec(registry.get(table["kind"]))
        required = {each.path.removeprefix("spec.") for each in described if each.required}
        expected = {option for option, field in table["fields"].items() if field not in required}
        expected |= {"labels", "max_revision_history"} & set(table["options"])
        assert set(table["options"].get("clear", {}).get("choices", ())) == expected, name
