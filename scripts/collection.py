"""Write the collection's modules, argument table and routing from the models; ``--check`` only compares.

A module is documentation only: the action plugin ``apply`` does the work, by the table in
``plugins/module_utils/module_specs.py``. ``make docs`` runs this after a model has changed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from controller import model as _model  # noqa: F401  (registers the kinds)
from controller.model import registry
from controller.model.registry import Kind
from scripts import collection_actions as actions
from scripts.collection_options import identity_options, of_spec, required_of_spec, table

ROOT = Path(__file__).resolve().parents[1]
_HEADER = """# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
_MADE = "# Made by `make docs` from the models; do not edit.\n"
_TABLE = '''"""What each module is about: kind, path, and the options that it takes.

Kept as texts: a task reads its own module's only, and Python has less to compile in each of ansible's workers.
"""

from __future__ import annotations

import json
import typing as t


def entry(module: str) -> t.Dict[str, t.Any]:
    """The entry of one module."""
    found: t.Dict[str, t.Any] = json.loads(_TEXTS[module])
    return found


def entries() -> t.List[t.Dict[str, t.Any]]:
    """Those of all modules, parents before children."""
    return [entry(module) for module in _TEXTS]


_TEXTS: t.Mapping[str, str] = {
LINES}
'''
_AUTHOR = ["Resource Service (@resource-service)"]
_FRAGMENTS = ["resource.infra.api"]


def files() -> dict[str, str]:
    """Return path to text, for every generated file."""
    every = modules()
    texts = {f"plugins/modules/{name}.py": _module(name, entry) for name, entry in every.items()}
    entries = {name: entry["table"] for name, entry in every.items()}
    lines = "".join(_line(name, entry) for name, entry in entries.items())
    texts["plugins/module_utils/module_specs.py"] = f"{_HEADER}{_MADE}{_TABLE.replace('LINES', lines)}"
    # The action has a module of its own name, which needs no routing.
    routed = {name: {"action_plugin": "resource.infra.apply"} for name in sorted(every) if name != "apply"}
    runtime = {
        "requires_ansible": ">=2.19.0,<2.20.0",
        "action_groups": {"api": sorted(every)},
        "plugin_routing": {"modules": routed},
    }
    texts["meta/runtime.yml"] = f"---\n{_MADE}{_yaml(runtime)}"
    return texts


def modules() -> dict[str, dict[str, Any]]:
    """Return name to documentation, examples and table, for every module."""
    found: dict[str, dict[str, Any]] = {}
    for kind in registry.kinds():
        if kind.user_made:
            found[kind.noun] = _state_module(kind)
        found[f"{kind.noun}_info"] = _info_module(kind)
    found |= actions.modules()
    return found


def _title(kind: Kind) -> str:
    return " ".join((kind.model.__doc__ or "").split("\n\n")[0].split()).rstrip(".")


def _state_module(kind: Kind) -> dict[str, Any]:
    options = identity_options(kind)
    options["state"] = {
        "description": ["Whether the resource must exist."],
        "type": "str",
        "choices": ["present", "absent"],
        "default": "present",
    }
    options["labels"] = {"description": ["All labels of the resource, for filters and rules."], "type": "dict"}
    if kind.has_revisions:
        options["max_revision_history"] = {"description": ["Number of old revisions to store."], "type": "int"}
    fields: dict[str, str] = {}
    for field, option in of_spec(kind).items():
        name = f"spec_{field}" if field in options else field
        options[name] = option
        fields[name] = field
    clearable: list[str] = [name for name in ("labels", "max_revision_history") if name in options]
    clearable += [name for name, field in fields.items() if field not in required_of_spec(kind)]
    if clearable:
        options["clear"] = {
            "description": [
                "Fields that get their defaults again: without a value, empty, or what the server sets.",
                "For fields inside a map, give the map without them.",
            ],
            "type": "list",
            "elements": "str",
            "choices": clearable,
        }
    given = {key: value for key, value in kind.example.items() if key not in ("kind", "spec")}
    spec = kind.example.get("spec") or {}
    task = {**given, **{name: spec[field] for name, field in fields.items() if field in spec}}
    identity = {key: value for key, value in task.items() if key in identity_options(kind)}
    return {
        "short": f"Creates, changes and deletes a {kind.name}",
        "description": [
            f"{_title(kind)}.",
            "Fields that the task does not name do not change. A list or map that it names is replaced as a whole.",
        ],
        "options": options,
        "check": "full",
        "diff": "full",
        "examples": [
            {"name": f"Have a {kind.name}", f"resource.infra.{kind.noun}": task},
            {"name": "Remove it", f"resource.infra.{kind.noun}": {**identity, "state": "absent"}},
        ],
        "returns": actions.returns_resource(kind),
        "table": {**_where(kind), "run": "state", "fields": fields, "options": table(options)},
    }


def _info_module(kind: Kind) -> dict[str, Any]:
    options = identity_options(kind, required=False, state=False)
    options["labels"] = {
        "description": ["Only resources that match all of these: C(key), C(!key), C(key=value) or C(key!=value)."],
        "type": "list",
        "elements": "str",
    }
    options["fields"] = {
        "description": [
            "Only resources with these values, by the path of the field, such as C(spec.rack) or C(status)."
        ],
        "type": "dict",
    }
    example = {key: value for key, value in kind.example.items() if key in kind.parents}
    return {
        "short": f"Lists {kind.plural_name}",
        "description": [f"{_title(kind)}.", "Without a name of a parent, the resources of all parents are listed."],
        "options": options,
        "check": "full",
        "diff": "none",
        "examples": [
            {
                "name": f"List {kind.plural_name}",
                f"resource.infra.{kind.noun}_info": example or None,
                "register": "found",
            }
        ],
        "returns": actions.returns_resources(kind),
        "table": {**_where(kind), "run": "info", "options": table(options)},
    }


def _where(kind: Kind) -> dict[str, Any]:
    return {"kind": kind.name, "path": kind.item_path, "parents": list(kind.parents), "per_project": kind.per_project}


def _module(name: str, entry: Mapping[str, Any]) -> str:
    attributes = {
        "check_mode": {"support": entry["check"]},
        "diff_mode": {"support": entry["diff"]},
    }
    documentation = {
        "module": name,
        "short_description": entry["short"],
        "version_added": "0.1.0",
        "description": entry["description"],
        "author": _AUTHOR,
        "extends_documentation_fragment": _FRAGMENTS,
        "attributes": attributes,
        "options": entry["options"],
    }
    return (
        f"#!/usr/bin/python\n{_HEADER}{_MADE}"
        f'\nfrom __future__ import annotations\n\nDOCUMENTATION = r"""\n---\n{_yaml(documentation)}"""\n'
        f'\nEXAMPLES = r"""\n---\n{_yaml(entry["examples"])}"""\n\nRETURN = r"""\n---\n{_yaml(entry["returns"])}"""\n'
    )


def _line(name: str, entry: Mapping[str, Any]) -> str:
    text = json.dumps(entry)
    parts = "".join(f"        {text[start : start + 100]!r}\n" for start in range(0, len(text), 100))
    return f"    {name!r}: (\n{parts}    ),\n"


class _Indented(yaml.SafeDumper):
    """Lists are indented below their key, as ansible's own files are."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(value: Any) -> str:
    return yaml.dump(value, Dumper=_Indented, sort_keys=False, allow_unicode=True, width=110)


def main() -> int:
    """Write the files, or with ``--check`` report which are stale."""
    wanted = files()
    folders = {ROOT / "plugins" / "modules"}
    extra = [path for folder in folders for path in folder.glob("*.py") if str(path.relative_to(ROOT)) not in wanted]
    stale = [path for path, text in wanted.items() if not _same(ROOT / path, text)]
    if "--check" in sys.argv[1:]:
        for one in [*stale, *(str(path.relative_to(ROOT)) for path in extra)]:
            print(f"{one} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale or extra else 0
    for path in extra:
        path.unlink()
    for path_name in stale:
        (ROOT / path_name).write_text(wanted[path_name], encoding="utf-8")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
