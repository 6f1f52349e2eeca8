"""Write docs/kinds/<noun>.md, one page per kind, from the models; ``--check`` only compares.

The models are the single source: run ``make docs`` after changing one. A test fails while a page
is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from controller import model as _model  # noqa: F401  (registers the kinds)
from controller.model import field_descriptions, registry
from controller.model.field_descriptions import FieldDescription
from controller.model.registry import Kind

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "kinds"


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
    lines = [f"# {kind.name}", "", "Made by `make docs` from the models; do not edit.", "", _summary(kind), ""]
    lines += list(_facts(kind))
    if kind.example:
        text = yaml.safe_dump(dict(kind.example), sort_keys=False, allow_unicode=True)
        lines += ["## Example", "", "```yaml", text.rstrip(), "```", ""]
    lines += ["## Fields of spec", ""]
    lines += list(_table(field_descriptions.of_spec(kind)))
    lines += ["", "## Fields around it", ""]
    lines += list(_table(field_descriptions.around_spec(kind)))
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


def _table(fields: Sequence[FieldDescription]) -> Iterator[str]:
    if not fields:
        yield "None."
        return
    yield "| field | type | unit | default | example | change | marks | what it is |"
    yield "|---|---|---|---|---|---|---|---|"
    for each in fields:
        cells = (
            f"`{each.path}`",
            _escape(each.type),
            each.unit,
            _code(each.default),
            _code(each.example),
            each.change,
            ", ".join(each.marks),
            _escape(each.text),
        )
        yield "| " + " | ".join(cells) + " |"


def _summary(kind: Kind) -> str:
    return _escape(" ".join((kind.model.__doc__ or "").split("\n\n")[0].split()))


def _code(value: str) -> str:
    return f"`{_escape(value)}`" if value else ""


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
