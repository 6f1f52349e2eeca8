"""Write docs/kinds/<noun>.md, one page per kind, from the models; ``--check`` only compares.

The models are the single source: run ``make docs`` after changing one. A test fails while a page
is stale.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from controller import model as _model  # noqa: F401  (registers the kinds)
from controller.model import registry
from controller.model.envelope import SERVER_SET
from controller.model.registry import Kind

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "kinds"
Schema = Mapping[str, Any]


def pages() -> dict[str, str]:
    """File name to text, for every kind and the list of them."""
    texts = {f"{kind.noun}.md": page(kind) for kind in registry.kinds()}
    texts["README.md"] = index()
    return texts


def index() -> str:
    """The list of kinds."""
    lines = [
        "# Kinds",
        "",
        "Made by `make docs` from the models; do not edit.",
        "",
        "| kind | what it is | path | made by |",
        "|---|---|---|---|",
    ]
    for kind in registry.kinds():
        maker = "users" if kind.user_made else "the server"
        lines.append(f"| [{kind.name}]({kind.noun}.md) | {_summary(kind)} | `{kind.collection_path}` | {maker} |")
    return "\n".join(lines) + "\n"


def page(kind: Kind) -> str:
    """The page of one kind."""
    schema = kind.model.model_json_schema()
    lines = [f"# {kind.name}", "", "Made by `make docs` from the models; do not edit.", "", _summary(kind), ""]
    lines += list(_facts(kind))
    if kind.example:
        text = yaml.safe_dump(dict(kind.example), sort_keys=False, allow_unicode=True)
        lines += ["## Example", "", "```yaml", text.rstrip(), "```", ""]
    lines += ["## Fields of spec", ""]
    lines += list(_table(_resolve(schema["properties"]["spec"], schema), schema, "spec"))
    lines += ["", "## Fields around it", ""]
    around = {name: value for name, value in schema["properties"].items() if name != "spec"}
    lines += list(_table({"properties": around, "required": schema.get("required", [])}, schema, ""))
    lines += [
        "",
        "*change*: what changing the field does to what runs with it: *live* (taken in while it runs), *restart*,",
        "*recreate*, or *refused*; *identity*: another name is another resource. Fields marked *server* are set",
        "by the server and ignored in documents.",
        "",
    ]
    return "\n".join(lines)


def _facts(kind: Kind) -> Iterator[str]:
    yield f"- path: `{kind.item_path}`"
    words = sorted({kind.noun, kind.segment, *kind.aliases})
    yield f"- names in `resourcectl`: {', '.join(f'`{word}`' for word in words)}"
    yield f"- belongs to a project: {'yes' if kind.per_project else 'no'}"
    if not kind.user_made:
        yield "- read only: made by the server"
    if kind.has_revisions:
        yield "- keeps revisions: `resourcectl revisions`, `resourcectl rollback`"
    if kind.design_methods:
        methods = sorted({word for words in kind.design_methods.values() for word in words.split()})
        yield f"- methods of the design: {', '.join(methods)}"
    yield ""


def _table(schema: Schema, root: Schema, path: str) -> Iterator[str]:
    rows = list(_rows(schema, root, path))
    if not rows:
        yield "None."
        return
    yield "| field | type | unit | default | example | change | marks | what it is |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _rows(schema: Schema, root: Schema, path: str) -> Iterator[tuple[str, ...]]:
    required = set(schema.get("required", ()))
    for name, raw in schema.get("properties", {}).items():
        own = dict(raw)
        here = f"{path}.{name}" if path else name
        target = _resolve(own, root)
        server = bool(own.get("x-server-set")) or (not path and name in SERVER_SET)
        marks = ["server"] if server else (["required"] if name in required else [])
        marks += ["secret"] if own.get("x-secret") else []
        reference = own.get("x-reference")
        what = own.get("description") or target.get("description", "")
        if reference:
            what += f" Names a {reference}." if not what.startswith(reference) else ""
        yield (
            f"`{here}`",
            _type(own, root),
            own.get("x-unit", ""),
            _code(own["default"]) if "default" in own and own["default"] not in ("", None) else "",
            _code(own["examples"][0]) if own.get("examples") and own["examples"][0] not in ("", None) else "",
            "" if server else _change(name, own, path),
            ", ".join(marks),
            _escape(what),
        )
        inner, suffix = _inner(target, root)
        if inner is not None:
            yield from _rows(inner, root, here + suffix)


def _change(name: str, own: Schema, path: str) -> str:
    """Names are the resource's identity: another name is another resource."""
    identity = not path and name not in ("labels", "max_revision_history")
    return "identity" if identity else str(own.get("x-change", "live"))


def _inner(schema: Schema, root: Schema) -> tuple[Schema | None, str]:
    """The object that a field holds, if it holds one: itself, or the members of its list."""
    if schema.get("type") == "object" and "properties" in schema:
        return schema, ""
    if schema.get("type") == "array" and isinstance(schema.get("items"), Mapping):
        items = _resolve(schema["items"], root)
        if "properties" in items:
            return items, "[]"
    return None, ""


def _resolve(schema: Schema, root: Schema) -> Schema:
    """Follow ``$ref`` and the one branch of ``anyOf`` that is not null."""
    if "$ref" in schema:
        target: Schema = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            target = target[part]
        return _resolve(target, root)
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) == 1:
        return _resolve(branches[0], root)
    return schema


def _type(schema: Schema, root: Schema) -> str:
    branches = [branch for branch in schema.get("anyOf", ()) if branch.get("type") != "null"]
    if len(branches) > 1:
        return " or ".join(_type(branch, root) for branch in branches)
    target = _resolve(schema, root)
    if "enum" in target:
        return " / ".join(str(value) for value in target["enum"])
    if "const" in target:
        return _escape(str(target["const"]))
    match target.get("type"):
        case "array":
            items = target.get("items")
            return f"list of {_type(items, root)}" if isinstance(items, Mapping) else "list"
        case "object" if "properties" not in target:
            return "map"
        case "string" if target.get("format"):
            return str(target["format"])
        case str(word):
            low, high = target.get("minimum"), target.get("maximum")
            return f"{word} {low}..{high}" if low is not None and high is not None else word
        case _:
            return "any"


def _summary(kind: Kind) -> str:
    return _escape(" ".join((kind.model.__doc__ or "").split("\n\n")[0].split()))


def _code(value: Any) -> str:
    return f"`{_escape(json.dumps(value, ensure_ascii=False))}`"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Write the pages, or with ``--check`` say which are stale."""
    wanted = pages()
    if "--check" in sys.argv[1:]:
        stale = [name for name, text in wanted.items() if _read(FOLDER / name) != text]
        stale += [path.name for path in FOLDER.glob("*.md") if path.name not in wanted]
        for name in stale:
            print(f"docs/kinds/{name} is stale: run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in FOLDER.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
