"""The result or the plan of a pull or push, as lines, rows and documents. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from controller.model import registry
from inventory_sync import pruning
from inventory_sync.device_status import DEVICES
from inventory_sync.locations import Document
from inventory_sync.mapping import ID_LABEL
from inventory_sync.pull import Pull
from inventory_sync.push import INTERFACES, MACHINES, Push


def pulled(found: Pull, removed: Collection[str] = (), kept: Iterable[tuple[str, str]] | None = None) -> list[str]:
    """Return lines: what NetBox no longer has and what was done with it, what was left out, the totals."""
    reasons = _staying(found) if kept is None else dict(kept)
    lines = []
    for one in found.gone:
        path = _path(one)
        said = f"{one['kind']} {path}"
        if said in reasons:
            lines.append(f"no longer in NetBox: {said}, kept: {reasons[said]}")
        elif path in removed:
            lines.append(f"no longer in NetBox: {said}, removed")
        elif said in found.freed:
            lines.append(f"no longer in NetBox: {said}, deleted with --remove, since what refers to it changes")
        else:
            lines.append(f"no longer in NetBox: {said}, deleted with --remove")
    lines += [f"kept: {said}: {why}" for said, why in _unsure(found)]
    lines += [f"left out: {count} {what}" for what, count in sorted(found.left_out.items())]
    lines += [f"skipped: {one}" for one in found.skipped]
    unchanged = len(found.changes) - len(found.wanted)
    skipped = f"{len(found.skipped)} skipped, " if found.skipped else ""
    total = f"{len(found.wanted)} differ, {unchanged} as in NetBox, {skipped}{len(found.gone)} no longer in NetBox"
    return [*lines, total]


def _path(one: Document) -> str:
    return "/".join(str(one[field]) for field in (*registry.get(one["kind"]).parents, "name"))


def _staying(found: Pull) -> dict[str, str]:
    """Return what cannot be deleted after the pull either, with the reasons."""
    return {title: reason for title, reason in found.kept if title not in found.freed}


def _unsure(found: Pull) -> list[tuple[str, str]]:
    """Return what is kept because NetBox may have its object, each with that reason."""
    return [(f"{one['kind']} {_path(one)}", _doubt(found, one)) for one in found.unsure]


def _doubt(found: Pull, one: Document) -> str:
    other = found.doubtful.get(pruning.key_of(one))
    if other is not None:
        return f"it has no netbox-id, and may be of {other}: give it the label netbox-id={other}, or delete it"
    if found.skipped and ID_LABEL not in one["labels"]:
        return "it has no netbox-id, so that it may be of a skipped object"
    return "it has no netbox-instance, so that it may be from another NetBox: delete it if it is not"


def skipped_documents(found: Pull) -> list[Document]:
    """Return the skipped objects for programs."""
    return [
        {"action": "skipped", "object": one.what, "id": one.number, "title": one.title, "reason": one.reason}
        for one in found.skipped
    ]


def document(found: Pull, *, remove: bool, lines: Sequence[str]) -> Document:
    """Return the plan for programs; ``differs`` is whether a pull would write or delete anything."""
    return {
        "differs": found.differs or (remove and bool(found.removable)),
        "lines": list(lines),
        "changes": [change for change in found.changes if change["action"] != "unchanged"],
        "gone": [{"kind": one["kind"], "name": one["name"]} for one in found.gone],
        "kept": {**_staying(found), **dict(_unsure(found))},
        "left_out": dict(found.left_out),
        "skipped": skipped_documents(found),
    }


def pushed(found: Push) -> list[tuple[str, ...]]:
    """Return one row for each object that is or would be written."""
    rows: list[tuple[str, ...]] = []
    for path, difference in {**found.differences, DEVICES: found.standing.difference}.items():
        rows += [(path, "/".join(name), "create", "-") for name in difference.create]
        for name, fields in difference.update.items():
            said = ", ".join(f"{field}: {before} -> {after}" for field, (before, after) in fields.items())
            rows.append((path, "/".join(name), "update", said))
        rows += [(path, "/".join(name), "delete", "-") for name in difference.delete]
    for path, names, said in (
        (MACHINES, found.primaries, "primary address"),
        (INTERFACES, found.primary_macs, "primary MAC address"),
    ):
        new = found.differences[path].create
        rows += [(path, "/".join(name), "update", said) for name in names if name not in new]
    return rows


def unchanged_lines(found: Push) -> list[str]:
    """Return what was not changed, and why."""
    clashes = [(path, name) for path, difference in found.differences.items() for name in difference.clashes]
    lines = [f"left as it is: {path} {'/'.join(name)} is there without our tag" for path, name in clashes]
    lines += [f"left as it is: {DEVICES} {'/'.join(name)} {why}" for name, why in found.standing.left.items()]
    held = "holds what has not our tag"
    return lines + [f"left as it is: {'/'.join(name)} is wanted no longer, but {held}" for name in found.kept]


def counts(found: Push) -> str:
    """Return the totals in one line."""
    made = sum(len(difference.create) for difference in found.differences.values())
    changed = sum(len(difference.update) for difference in found.differences.values())
    changed += len(found.standing.difference.update)
    gone = sum(len(difference.delete) for difference in found.differences.values())
    primaries = f", {len(found.primaries)} primary addresses" if found.primaries else ""
    macs = f", {len(found.primary_macs)} primary MAC addresses" if found.primary_macs else ""
    return f"{made} to create, {changed} to update, {gone} to delete{primaries}{macs}"
