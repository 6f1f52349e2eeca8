"""Field diffs: paths, values, and the strongest change along the path."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from controller.model import document, registry
from controller.model.envelope import Part
from controller.model.fields import Change, field
from controller.root.writes import diff

EXAMPLE: dict[str, Any] = dict(registry.get("RegionService").example)


def compared(change: Any, kind: str = "RegionService") -> list[tuple[str, Any, Any, str]]:
    before = deepcopy(dict(registry.get(kind).example))
    after = deepcopy(before)
    change(after)
    found = diff.compare(document.parse(before), document.parse(after))
    return [(one.path, one.before, one.after, one.change.value) for one in found]


def test_nothing_differs() -> None:
    assert compared(lambda after: None) == []
    assert diff.same(document.parse(EXAMPLE), document.parse({**EXAMPLE, "status": "Error"}))


def test_a_field_deep_inside() -> None:
    assert compared(lambda after: after["spec"]["compute"].update(image="other")) == [
        ("spec.compute.image", "guest", "other", "recreate")
    ]


def test_order_of_a_list_that_has_none_is_no_change() -> None:
    links = [{"inlet": "psu1", "source": "pdu-a"}, {"inlet": "psu2", "source": "pdu-b"}]

    def server(*power: dict[str, str]) -> Any:
        example = registry.get("PhysicalResource").example
        return document.parse({**example, "spec": {**example["spec"], "power_links": list(power)}})

    assert diff.same(server(*links), server(*reversed(links)))
    assert diff.compare(server(*links), server(*reversed(links))) == []
    assert not diff.same(server(*links), server(links[0], links[0]))
    assert diff.compare(server(*links), server(links[1])) != []


def test_order_of_networks_is_a_change() -> None:
    def networks(*names: str) -> Any:
        compute = {**EXAMPLE["spec"]["compute"], "network_policy": {"static_networks": list(names)}}
        return document.parse({**EXAMPLE, "spec": {**EXAMPLE["spec"], "compute": compute}})

    assert not diff.same(networks("a", "b"), networks("b", "a"))


def test_lists_are_compared_by_place() -> None:
    def change(after: dict[str, Any]) -> None:
        after["spec"]["compute"]["disks"] = [{"name": "data", "size_gib": 10}]

    assert compared(change) == [
        ("spec.compute.disks[0]", None, {"name": "data", "size_gib": 10}, "restart"),
    ]


def test_labels_by_key() -> None:
    assert compared(lambda after: after.update(labels={"env": "lab"})) == [("labels.env", None, "lab", "live")]


def test_the_field_around_counts_when_it_is_stronger() -> None:
    def change(after: dict[str, Any]) -> None:
        after["spec"]["sizes"]["vcpus"] = 2

    assert compared(change, "ResourceFlavor") == [("spec.sizes.vcpus", 1, 2, "refused")]


def test_a_new_resource_shows_what_was_written_of_it() -> None:
    made = diff.created(document.parse({"kind": "Region", "name": "kanto", "spec": {"description": "East"}}))
    assert [(one.path, one.after) for one in made] == [("spec.description", "East")]


def test_secret_values_are_not_shown() -> None:
    class Hidden(Part):
        key: str = field("A key.", example="x", secret=True)

    found = diff._differences("spec", Hidden(key="old"), Hidden(key="new"), Change.LIVE, secret=False)
    assert list(found) == [diff.FieldChange("spec.key", "(secret)", "(secret)", Change.LIVE)]
