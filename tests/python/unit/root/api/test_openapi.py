"""The OpenAPI document and the served page say everything that the registry does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from controller.model import document, registry
from controller.root.api import docs, openapi, routes, versions

OPERATIONS = routes.operations()
DOCUMENT = openapi.document(OPERATIONS)


def entries() -> dict[str, dict[str, Any]]:
    return {entry["operationId"]: entry for methods in DOCUMENT["paths"].values() for entry in methods.values()}


def test_operation_ids_are_unique_and_made_of_the_kinds_names() -> None:
    assert len(entries()) == len(OPERATIONS)
    assert {"PutRack", "GetRack", "ListRacks", "DeleteRack", "ListServiceProcesses", "DrainNode"} <= set(entries())


@pytest.mark.design("F1", "F3")
def test_the_designs_method_names_stand_beside_ours() -> None:
    named = {name for entry in entries().values() for name in entry.get("x-design-methods", ())}
    flavor = {f"{verb}ResourceFlavor" for verb in ("Create", "Update", "Delete", "List", "Get")}
    node = {"DeleteNode", "ListNode", "GetNode", "CordonNode", "UncordonNode", "DrainNode"}
    resource = {f"{verb}Resource" for verb in ("Create", "Update", "Delete", "List", "Get")}
    assert flavor | node | resource <= named


def test_every_kind_has_its_routes_and_no_other_list_of_kinds_exists() -> None:
    for kind in registry.kinds():
        methods = set(DOCUMENT["paths"][kind.item_path])
        expected = {"get", "put", "delete"} if kind.user_made else {"get"}
        assert methods == expected | ({"delete"} if kind.name == "Compute" else set()), kind.name
        assert "get" in DOCUMENT["paths"][kind.collection_path]


@pytest.mark.parametrize("kind", list(registry.kinds()), ids=lambda kind: kind.name)
def test_every_kind_has_an_example_that_fits_its_schema(kind: registry.Kind) -> None:
    def validator(name: str) -> Any:
        return jsonschema_rs.validator_for(
            {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
        )

    stored = DOCUMENT["components"]["schemas"][kind.name]["examples"][0]
    validator(kind.name).validate(stored)
    assert document.parse(stored).kind == kind.name
    if kind.user_made:
        validator(f"{kind.name}Document").validate(
            entries()[f"Put{kind.name}"]["requestBody"]["content"]["application/json"]["example"]
        )


def test_every_reference_leads_somewhere() -> None:
    names = set(re.findall(r"#/components/schemas/(\w+)", str(DOCUMENT)))
    assert names <= set(DOCUMENT["components"]["schemas"])
    responses = set(re.findall(r"#/components/responses/(\w+)", str(DOCUMENT)))
    assert responses <= set(DOCUMENT["components"]["responses"])


def test_the_document_and_the_page_list_the_versions() -> None:
    listed = [each["version"] for each in DOCUMENT["info"]["x-versions"]]
    assert listed == [each.version for each in versions.VERSIONS] == sorted(set(listed), key=int)
    assert DOCUMENT["info"]["version"] == listed[-1] == versions.CURRENT
    page = bytes(docs.page(DOCUMENT).body).decode()
    assert all(f'id="version-{version}"' in page for version in listed)


def test_the_collection_speaks_the_current_version() -> None:
    client = (Path(__file__).parents[5] / "plugins/module_utils/client.py").read_text()
    assert f'API_VERSION = "{versions.CURRENT}"' in client


def test_no_two_models_have_the_same_name() -> None:
    assert [name for name in DOCUMENT["components"]["schemas"] if "__" in name] == []
    assert "order" in DOCUMENT["components"]["schemas"]["Rebalance"]["properties"]
    assert "max_moves" in DOCUMENT["components"]["schemas"]["RebalanceRequest"]["properties"]


def test_fields_carry_their_facts() -> None:
    sizes = DOCUMENT["components"]["schemas"]["Sizes"]["properties"]["memory_mib"]
    assert (sizes["x-unit"], sizes["x-change"]) == ("MiB", "restart")
    assert DOCUMENT["components"]["schemas"]["Rack"]["properties"]["uid"]["x-server-set"]
    assert "uid" not in DOCUMENT["components"]["schemas"]["RackDocument"]["properties"]


def test_the_page_holds_every_operation_and_problem_and_fetches_nothing() -> None:
    page = bytes(docs.page(DOCUMENT).body).decode()
    for operation in OPERATIONS:
        assert f'id="{operation.id}"' in page
    assert 'id="problem-conflict"' in page
    assert 'id="schema-RackSpec"' in page
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert "<script" not in page
