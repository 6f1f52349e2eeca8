"""One formatter for every command: table, wide, json, yaml, name."""

from __future__ import annotations

import io
import json

import pytest
import yaml

from controller.cli import output, tables
from controller.cli.output import Format
from controller.cli.views import resources
from controller.client import kinds
from controller.model import document, registry
from controller.printable import printable

KIND = kinds.get("Rack")
EXAMPLE = registry.get("Rack").example
RACKS = [
    document.render(document.parse({**EXAMPLE, "name": name, "spec": {**EXAMPLE["spec"], "row": row}}))
    for name, row in (("a", 1), ("longer-name", 12))
]


def _rendered(view: output.View, form: Format) -> str:
    out = io.StringIO()
    output.render(view, form, out)
    return out.getvalue()


def test_table_has_the_kinds_columns_aligned() -> None:
    assert _rendered(resources.many(KIND, RACKS), Format.TABLE).splitlines() == [
        "NAME         FLOOR        ROW  COLUMN",
        "a            floor-1-1-1  1    1",
        "longer-name  floor-1-1-1  12   1",
    ]


def test_wide_adds_the_wide_columns() -> None:
    assert _rendered(resources.many(KIND, RACKS), Format.WIDE).splitlines()[0].split() == [
        "NAME",
        "FLOOR",
        "ROW",
        "COLUMN",
        "PAIR",
    ]


def test_parents_are_shown_where_they_differ() -> None:
    elsewhere = [RACKS[0], {**RACKS[1], "datacenter": "osaka"}]
    assert _rendered(resources.many(KIND, elsewhere), Format.TABLE).split()[:2] == ["DATACENTER", "NAME"]


def test_json_is_a_list_and_for_one_the_document() -> None:
    assert json.loads(_rendered(resources.many(KIND, RACKS), Format.JSON)) == RACKS
    assert json.loads(_rendered(resources.one(KIND, RACKS[0]), Format.JSON)) == RACKS[0]


def test_yaml_can_be_applied_again() -> None:
    text = _rendered(resources.many(KIND, RACKS), Format.YAML)
    again = document.parse_all(document.read(text))
    assert [resource.name for resource in again] == ["a", "longer-name"]
    assert [document.render(resource)["spec"] for resource in again] == [rack["spec"] for rack in RACKS]
    assert list(yaml.safe_load_all(text)) == RACKS


def test_name_is_an_argument_for_other_commands() -> None:
    assert _rendered(resources.many(KIND, RACKS), Format.NAME) == "rack/tokyo/a\nrack/tokyo/longer-name\n"


def test_an_empty_list_says_so_in_a_table_only() -> None:
    view = resources.many(KIND, [])
    assert _rendered(view, Format.TABLE) == "no racks found\n"
    assert json.loads(_rendered(view, Format.JSON)) == []
    assert _rendered(view, Format.YAML) == ""


def test_wide_letters_keep_the_columns_aligned() -> None:
    lines = tables.table(["A", "B"], [["東京", "x"], ["ab", "y"]])
    assert lines == ["A     B", "東京  x", "ab    y"]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (None, "-"),
        ("", "-"),
        ([], "-"),
        (True, "true"),
        (0, "0"),
        (8.0, "8"),
        (0.25, "0.25"),
        (["a", "b"], "a,b"),
        ({"k": 1}, "k=1"),
    ],
)
def test_cells(value: object, cell: str) -> None:
    assert tables.text(value) == cell


@pytest.mark.parametrize(
    ("path", "value"),
    [("spec.floor", "floor-1-1-1"), ("spec.none.deeper", None), ("labels.x", None), ("name.0", None)],
)
def test_dotted_paths(path: str, value: object) -> None:
    assert tables.dig(RACKS[0], path) == value


def test_dotted_paths_go_into_lists() -> None:
    assert tables.dig({"spec": {"interfaces": [{"address": "a"}]}}, "spec.interfaces.0.address") == "a"
    assert tables.dig({"spec": {"interfaces": []}}, "spec.interfaces.0.address") is None


@pytest.mark.parametrize("kind", list(registry.kinds()), ids=lambda kind: kind.name)
def test_every_column_of_every_kind_names_a_field(kind: registry.Kind) -> None:
    schema = kind.model.model_json_schema()
    for column in kind.columns:
        head, *rest = column.path.split(".")
        assert head in schema["properties"], column
        if head == "spec":
            assert rest[0] in kind.model.model_fields["spec"].annotation.model_fields, column  # type: ignore[union-attr]


def test_description_shows_what_was_asked_and_seen_and_the_events() -> None:
    event = {"spec": {"last_at": "2026-01-01T00:00:00Z", "level": "Normal", "reason": "Seen", "message": "hello"}}
    view = resources.description({**RACKS[0], "status": "Active", "observed": {"nodes": 2}}, [event])
    text = _rendered(view, Format.TABLE)
    for line in ("Name: a", "Status: Active", "  floor: floor-1-1-1", "  nodes: 2", "Events:"):
        assert line in text.splitlines()
    assert "hello" in text


def test_events_come_in_order_of_time_without_their_names_and_fractions() -> None:
    kind = kinds.get("Event")
    events = [
        {"kind": "Event", "name": name, "spec": {"last_at": f"2026-01-01T00:00:0{second}.123456Z", "reason": "Seen"}}
        for name, second in (("b", 2), ("a", 1))
    ]
    lines = _rendered(resources.many(kind, events), Format.TABLE).splitlines()
    assert lines[0].split()[:2] == ["LAST", "LEVEL"]
    assert [line.split()[0] for line in lines[1:]] == ["2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"]
    assert "NAME" in _rendered(resources.many(kind, events), Format.WIDE)


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"kind": "RegionService", "key": "default/kanto/web"}, "region_service/kanto/web"),
        ({"kind": "Rack", "key": "tokyo/rack-1"}, "rack/tokyo/rack-1"),
        ({"kind": "Region", "key": "kanto"}, "region/kanto"),
        ({"name": "node1"}, "node1"),
    ],
    ids=["of a project", "of a parent", "alone", "no resource"],
)
def test_answers_that_tell_kind_and_key_have_names_too(document: dict[str, str], name: str) -> None:
    assert _rendered(output.View(documents=[document]), Format.NAME) == f"{name}\n"


HOSTILE = "a\x1b[2J\x9b31m\u202eb\nforged  line\x7f\u2028"


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("described", [False, True])
def test_nothing_that_is_shown_acts_on_the_terminal(form: Format, described: bool) -> None:
    rack = {**RACKS[0], "name": HOSTILE, "status_reason": HOSTILE, "observed": {HOSTILE: [{HOSTILE: HOSTILE}]}}
    if described:
        event = {"spec": {"last_at": "", "level": "Normal", "reason": HOSTILE, "count": 1, "message": HOSTILE}}
        view = resources.description(rack, [event])
    else:
        view = resources.many(KIND, [rack, RACKS[1]])
    shown = _rendered(view, form)
    assert all(line == printable(line) for line in shown.split("\n"))
    if form is Format.JSON:
        loaded = json.loads(shown)
        assert (loaded if described else loaded[0]) == rack
    elif form is Format.YAML:
        assert next(iter(yaml.safe_load_all(shown))) == rack
    elif form is not Format.NAME:
        assert r"\x1b[2J\x9b31m\u202e" in shown


def test_escaped_cells_are_aligned() -> None:
    assert tables.table(["A", "B"], [["\x1b", "x"], ["ab", "y"]]) == ["A     B", r"\x1b  x", "ab    y"]
