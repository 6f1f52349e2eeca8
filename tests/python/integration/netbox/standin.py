"""A small NetBox: the recorded answers over HTTP on loopback, with state.

Lists with pages and the filters that are used (unknown ones are refused as NetBox does), bulk
create, update and delete as NetBox answers them, a token. Every write is kept in ``writes``.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

RECORDED = Path(__file__).parent / "recorded"
TOKEN = "nbt_abcdefghijkl." + "s" * 40
APPS = {
    "dcim": [
        "regions",
        "site-groups",
        "sites",
        "locations",
        "racks",
        "device-types",
        "device-roles",
        "devices",
        "interfaces",
        "cables",
        "power-panels",
        "power-feeds",
        "front-ports",
        "rear-ports",
        "mac-addresses",
    ],
    "ipam": ["prefixes", "ip-addresses", "services"],
    "extras": ["tags"],
    "virtualization": ["cluster-types", "clusters", "virtual-machines", "interfaces", "virtual-disks"],
}
_PLAIN = {"limit", "offset", "brief", "fields", "exclude"}
_CHOICES = {"status"}

Item = dict[str, Any]


class StandIn:
    """The lists by path (``dcim/racks``), each object by id."""

    def __init__(self) -> None:
        self.lists: dict[str, dict[int, Item]] = {f"{app}/{name}": {} for app, names in APPS.items() for name in names}
        self.writes: list[tuple[str, str, int]] = []
        """Verb, list, number of objects."""
        self.refused: dict[tuple[str, str], tuple[int, Item]] = {}
        """Verb and list to a status and what is said with it, instead of doing it."""
        self.reads: list[str] = []
        self.after_page: Callable[[str], None] = lambda path: None
        """Called with the list when a page of it has been taken: what is changed then shifts the next ones."""
        self.hang_up: Callable[[str], bool] = lambda path: False
        """Whether a request is answered by closing the connection."""
        self.too_many = 0
        """Requests that are still answered 429."""
        self.lock = threading.Lock()
        self.url = ""
        for path in self.lists:
            file = RECORDED / f"{path.partition('/')[2]}.json"
            if file.exists() and path != "virtualization/interfaces":
                for item in json.loads(file.read_text())["results"]:
                    self.lists[path][item["id"]] = item

    def find(self, path: str, **fields: Any) -> Item:
        """The one object with these values."""
        (found,) = [one for one in self.lists[path].values() if all(one.get(key) == fields[key] for key in fields)]
        return found

    def drop(self, path: str, **fields: Any) -> None:
        """Delete in NetBox, by hand."""
        self.delete(path, self.find(path, **fields)["id"])

    def add(self, path: str, **fields: Any) -> Item:
        """Make in NetBox, by hand."""
        return self.create(path, fields)

    def create(self, path: str, fields: Item) -> Item:
        number = max(self.lists[path], default=0) + 1
        item: Item = {"id": number, "tags": [], "custom_fields": {}, "primary_ip4": None}
        self.lists[path][number] = item
        self._set(path, item, fields)
        if path == "ipam/ip-addresses":
            item |= {"family": {"value": 4, "label": "IPv4"}, "display": item["address"]}
            item.setdefault("vrf", None)
            item.setdefault("assigned_object_type", None)
        return item

    def _set(self, path: str, item: Item, fields: Item) -> None:
        nested = {
            "cluster": "virtualization/clusters",
            "virtual_machine": "virtualization/virtual-machines",
            "primary_ip4": "ipam/ip-addresses",
            "primary_mac_address": "dcim/mac-addresses",
            "type": "virtualization/cluster-types",
        }
        for field, value in fields.items():
            if field == "tags":
                item["tags"] = [self._brief("extras/tags", tag) for tag in value]
            elif field in _CHOICES:
                item[field] = {"value": value, "label": value.title()}
            elif field in nested and value is not None:
                item[field] = self._brief(nested[field], value)
            else:
                item[field] = value

    def _brief(self, path: str, number: int) -> Item:
        one = self.lists[path][number]
        return {key: one[key] for key in ("id", "name", "slug", "address", "mac_address") if key in one}

    def delete(self, path: str, number: int) -> None:
        """With what NetBox deletes along."""
        del self.lists[path][number]
        cascades = {
            "dcim/devices": [("dcim/interfaces", "device")],
            "dcim/interfaces": [("ipam/ip-addresses", "assigned_object_id")],
            "virtualization/virtual-machines": [("virtualization/interfaces", "virtual_machine")],
            "virtualization/interfaces": [
                ("ipam/ip-addresses", "assigned_object_id"),
                ("dcim/mac-addresses", "assigned_object_id"),
            ],
        }
        if path == "dcim/devices":
            for one in list(self.lists["dcim/cables"].values()):
                ends = (*one["a_terminations"], *one["b_terminations"])
                if any((end["object"].get("device") or {}).get("id") == number for end in ends):
                    self.delete("dcim/cables", one["id"])
        kind = "dcim.interface" if path == "dcim/interfaces" else "virtualization.vminterface"
        for below, field in cascades.get(path, []):
            for one in list(self.lists[below].values()):
                holder = one.get(field)
                if one.get("assigned_object_type", kind) != kind:
                    continue
                if (holder["id"] if isinstance(holder, dict) else holder) == number:
                    self.delete(below, one["id"])

    def matching(self, path: str, query: dict[str, list[str]]) -> list[Item]:
        """Objects that the filters let through; raises ValueError for a filter that NetBox refuses."""
        found = list(self.lists[path].values())
        for field, values in query.items():
            if field in _PLAIN:
                continue
            if field == "tag":
                if values[0] not in {tag["slug"] for tag in self.lists["extras/tags"].values()}:
                    raise ValueError("tag")
                found = [one for one in found if any(tag["slug"] in values for tag in one["tags"])]
            elif field == "virtual_machine_id" and path == "ipam/services":
                found = [one for one in found if one["parent_object_type"] == "virtualization.virtualmachine"]
                found = [one for one in found if str(one["parent_object_id"]) in values]
            elif field in ("cluster_id", "virtual_machine_id"):
                found = [one for one in found if str((one.get(field[:-3]) or {}).get("id")) in values]
            elif field == "vminterface_id":
                kind = "virtualization.vminterface"
                found = [one for one in found if one["assigned_object_type"] == kind]
                found = [one for one in found if str(one["assigned_object_id"]) in values]
            elif field == "address":  # without a mask it means the host
                found = [one for one in found if {one["address"], one["address"].partition("/")[0]} & set(values)]
            elif field in ("name", "slug", "id"):
                found = [one for one in found if str(one.get(field)) in values]
            else:
                raise ValueError(field)
        return sorted(found, key=lambda one: int(one["id"]))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a body would wait for the delayed acknowledgement of its head
    netbox: StandIn

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def do_GET(self) -> None:
        path, query = self._filtered_list()
        if self.netbox.hang_up(path):
            self.close_connection = True
        elif self.netbox.too_many:
            self.netbox.too_many -= 1
            self._answer(429, {"detail": "Request was throttled."})
        elif path == "status":
            self._answer(200, json.loads((RECORDED / "status.json").read_text()))
        elif self._allowed(path):
            self.netbox.reads.append(self.path)
            try:
                found = self.netbox.matching(path, query)
            except ValueError as error:
                self._answer(400, {str(error): ["Select a valid choice."]})
                return
            limit, offset = int(query.get("limit", ["50"])[0] or 1000), int(query.get("offset", ["0"])[0])
            limit = min(limit or 1000, 1000)
            page = found[offset : offset + limit]
            if "fields" in query:
                wanted = query["fields"][0].split(",")
                page = [{field: one.get(field) for field in wanted} for one in page]
            more = offset + limit < len(found)
            following = f"{self.netbox.url}/api/{path}/?limit={limit}&offset={offset + limit}" if more else None
            self.netbox.after_page(path)
            self._answer(200, {"count": len(found), "next": following, "previous": None, "results": page})

    def do_POST(self) -> None:
        self._write("create")

    def do_PATCH(self) -> None:
        self._write("update")

    def do_DELETE(self) -> None:
        self._write("delete")

    def _write(self, verb: str) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"[]")
        path, _ = self._filtered_list()
        if not self._allowed(path):
            return
        items = body if isinstance(body, list) else [body]
        if (verb, path) in self.netbox.refused:
            self._answer(*self.netbox.refused[verb, path])
            return
        with self.netbox.lock:
            self.netbox.writes.append((verb, path, len(items)))
            if verb == "create":
                done = [self.netbox.create(path, item) for item in items]
                self._answer(201, done if isinstance(body, list) else done[0])
            elif verb == "update":
                for item in items:
                    self.netbox._set(path, self.netbox.lists[path][item["id"]], item)
                self._answer(200, [self.netbox.lists[path][item["id"]] for item in items])
            else:
                for item in items:
                    self.netbox.delete(path, item["id"])
                self._answer(204, None)

    def _filtered_list(self) -> tuple[str, dict[str, list[str]]]:
        split = urlsplit(self.path)
        return split.path.removeprefix("/api/").strip("/"), parse_qs(split.query)

    def _allowed(self, path: str) -> bool:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(403, {"detail": "Invalid v2 token"})
        elif path not in self.netbox.lists:
            self._answer(404, {"detail": "Not found."})
        else:
            return True
        return False

    def _answer(self, status: int, value: Any) -> None:
        content = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("API-Version", "4.6")
        if status == 429:
            self.send_header("Retry-After", "50")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def served(netbox: StandIn) -> Iterator[StandIn]:
    """The stand-in on a free port of loopback."""
    handler = type("Handler", (_Handler,), {"netbox": netbox})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    netbox.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield netbox
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
