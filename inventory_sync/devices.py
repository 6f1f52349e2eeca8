"""Models and physical resources from device types, devices, panels and feeds.

Pure. Devices are kept by datacenter. ``Devices.known`` has those of NetBox that are in the pull, so that a cable to a
device that was left out is left out too. A device that was skipped stays there when the inventory has it: the cables of
the others still lead to it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.errors import Problem
from controller.model.physical_resource import Face, Role
from inventory_sync import naming
from inventory_sync.candidates import Claim
from inventory_sync.locations import Document, Locations, document_labels
from inventory_sync.mapping import SKIP, ModelFacts
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.naming import NameRegistry
from inventory_sync.netbox_reader import Item, Snapshot
from inventory_sync.ports import Ports
from inventory_sync.skipping import Skips, UnfitObjectError, identity, required

DEVICE, PANEL, FEED = "device", "power-panel", "power-feed"


@dataclass(frozen=True)
class Device:
    """The physical resource of a device, panel or feed of NetBox."""

    datacenter: str
    name: str
    role: Role


class Devices:
    """Documents of physical resources by NetBox's id; models."""

    def __init__(self, seen: Snapshot, rules: Rules, taken: NameRegistry, places: Locations, skips: Skips) -> None:
        self._rules, self._taken, self._places, self.skips = rules, taken, places, skips
        self.known: dict[int, Device] = {}
        self.panels: dict[int, Device] = {}
        self.feeds: dict[int, Device] = {}
        self.documents: dict[tuple[str, int], Document] = {}
        self.skipped = 0
        self._roles: dict[int, Counter[Role]] = defaultdict(Counter)
        self._types = naming.by_id(seen["device_types"])
        self._check_rules(seen)
        chosen = self._chosen(seen)
        used = {int(device["device_type"]["id"]) for device, _ in chosen.values() if device.get("device_type")}
        self._models = self._model_names(used)
        claims = [*self._device_claims(chosen), *self._panel_claims(seen), *self._feed_claims(seen)]
        names = taken.assign("PhysicalResource", claims)
        for claim in claims:
            if claim.identity not in names or claim.what == FEED:
                continue
            with skips.guard(claim.what, claim.item):
                if claim.what == DEVICE:
                    self._read_device(claim, names[claim.identity], chosen[claim.number][1])
                else:
                    self._read_panel(claim, names[claim.identity])
        self._keep_stored(PANEL, self.panels)
        for claim in claims:
            if claim.identity in names and claim.what == FEED:
                with skips.guard(FEED, claim.item):
                    self._read_feed(claim, names[claim.identity])
        self._keep_stored(DEVICE, self.known)
        self._keep_stored(FEED, self.feeds)
        Ports(seen, rules, skips).add_to(self.documents)
        self.models: list[Document] = []
        for number, name in self._models.items():
            kind = self._types[number]
            if self._roles[number] and not skips.title_of("device-type", number):
                with skips.guard("device-type", kind):
                    self.models.append(self._model(kind, name, self._roles[number]))

    def _check_rules(self, seen: Snapshot) -> None:
        """Report words of the mapping that NetBox does not know: each is a typing mistake."""
        slugs = {str(kind.get("slug")) for kind in self._types.values()}
        slugs |= {
            f"{maker['slug']}/{kind.get('slug')}"
            for kind in self._types.values()
            if isinstance(maker := kind.get("manufacturer"), dict) and "slug" in maker
        }
        for what, words, known in (
            ("roles", self._rules.roles, {str(role.get("slug")) for role in seen["device_roles"]}),
            ("models", self._rules.models, slugs),
        ):
            for word in words:
                if word not in known:
                    shown = ", ".join(sorted(one for one in known if "/" not in one)[:20]) or "none"
                    message = f"NetBox has no such slug; it has {shown}"
                    self._taken.problems.append(Problem(f"mapping.{what}.{word}", message))

    def _chosen(self, seen: Snapshot) -> dict[int, tuple[Item, Role]]:
        """Return the devices that the mapping chooses, with their roles."""
        chosen: dict[int, tuple[Item, Role]] = {}
        unknown: Counter[str] = Counter()
        statuses = self._rules.devices.statuses
        for device in seen["devices"]:
            with self.skips.guard(DEVICE, device):
                if self._places.datacenter(device) is None:
                    continue
                if statuses and required(device, "status")["value"] not in statuses:
                    continue
                slug = required(device, "role")["slug"]
                role = self._rules.roles.get(slug, self._rules.default_role)
                if role is None:
                    unknown[slug] += 1
                elif role == SKIP:
                    self.skipped += 1
                else:
                    chosen[int(device["id"])] = (device, Role(role))
        for slug, count in sorted(unknown.items()):
            message = f"is not named, and {count} devices have it; name it, or set default_role"
            self._taken.problems.append(Problem(f"mapping.roles.{slug}", message))
        return chosen

    def _model_names(self, used: set[int]) -> dict[int, str]:
        claims = []
        for number in sorted(used & self._types.keys()):
            kind = self._types[number]
            with self.skips.guard("device-type", kind):
                maker = str(required(kind, "manufacturer").get("slug") or "")
                fields = {"manufacturer": maker}
                claims.append(Claim("device-type", kind, kind["slug"], within=((maker,),), fields=fields))
        names = self._taken.assign("PhysicalModel", claims)
        return {claim.number: names[claim.identity] for claim in claims if claim.identity in names}

    def _device_claims(self, chosen: Mapping[int, tuple[Item, Role]]) -> list[Claim]:
        claims = []
        for device, _ in chosen.values():
            with self.skips.guard(DEVICE, device):
                datacenter = self._places.datacenter(device) or ""
                path = self._places.path(device)
                fields = {
                    "site": str(device["site"]["slug"]),
                    "location": path[-1] if path else "",
                    "path": "-".join(path),
                    "rack": str((device.get("rack") or {}).get("name") or ""),
                    "tenant": str((device.get("tenant") or {}).get("slug") or ""),
                    "role": str(device["role"]["slug"]),
                }
                words = [fields["tenant"], fields["rack"]]
                within = [(word,) for word in words if word] + ([tuple(words)] if all(words) else [])
                within += [(*more, *words) for more in self._places.within(device)]
                given = device.get("name") or f"device-{device['id']}"
                claims.append(Claim(DEVICE, device, given, datacenter, _without_empty(within), fields))
        return claims

    def _panel_claims(self, seen: Snapshot) -> list[Claim]:
        claims = []
        for panel in seen["power_panels"]:
            with self.skips.guard(PANEL, panel):
                if (datacenter := self._places.datacenter(panel)) is None:
                    continue
                path = self._places.path(panel)
                fields = {"site": str(panel["site"]["slug"]), "location": path[-1] if path else ""}
                fields["path"] = "-".join(path)
                within = self._places.within(panel)
                claims.append(Claim(PANEL, panel, panel.get("name") or "", datacenter, within, fields))
        return claims

    def _feed_claims(self, seen: Snapshot) -> list[Claim]:
        claims = []
        panels = naming.by_id(seen["power_panels"])
        for feed in seen["power_feeds"]:
            with self.skips.guard(FEED, feed):
                panel = panels.get(int(required(feed, "power_panel")["id"]))
                if panel is None:
                    raise UnfitObjectError("is on a power panel that NetBox did not show; it may be new: try again")
                if (datacenter := self._places.datacenter(panel)) is None:
                    continue
                above = str(panel.get("name") or "")
                site = str(panel["site"]["slug"])
                fields = {"site": site, "panel": above, "rack": str((feed.get("rack") or {}).get("name") or "")}
                within = ((above,), (*self._places.path(panel), above), (site, *self._places.path(panel), above))
                claims.append(Claim(FEED, feed, feed.get("name") or "", datacenter, within, fields))
        return claims

    def _read_device(self, claim: Claim, name: str, role: Role) -> None:
        device = claim.item
        kind = int(required(device, "device_type")["id"])
        self._roles[kind][role] += 1
        if kind not in self._types:
            raise UnfitObjectError("has a device type that NetBox did not show; it may be new: try again")
        if kind not in self._models:
            raise UnfitObjectError(f"its {self.skips.title_of('device-type', kind)} is skipped")
        since = (device.get("custom_fields") or {}).get(self._rules.devices.in_service_since or "")
        spec: dict[str, Any] = {
            "role": role.value,
            "model": self._models[kind],
            **self._place(device),
            "serial": str(device.get("serial") or "")[:256],
            "ports": [],
            "network_links": [],
            "power_links": [],
        }
        if self._rules.devices.in_service_since:
            spec["in_service_since"] = since
        self._add(self.known, claim, Device(claim.parent, name, role), spec)

    def _place(self, device: Item) -> dict[str, Any]:
        rack = self._places.rack(device)
        if rack is not None:
            position = device.get("position")
            below = self._places.first_unit(device) - 1
            return {
                "floor": None,
                "rack": rack[0],
                "position": None if position is None else position - below,
                "face": (device.get("face") or {}).get("value") or Face.FRONT.value,
            }
        return {"floor": self._places.floor(device), "rack": None, "position": None, "face": Face.FRONT.value}

    def _read_panel(self, claim: Claim, name: str) -> None:
        role = self._rules.panel_role
        spec = {"role": role.value, "floor": self._places.floor(claim.item)}
        self._add(self.panels, claim, Device(claim.parent, name, role), spec)

    def _read_feed(self, claim: Claim, name: str) -> None:
        number = int(claim.item["power_panel"]["id"])
        above = self.panels.get(number)
        if above is None:
            raise UnfitObjectError(f"its {self.skips.title_of(PANEL, number) or 'power panel'} is skipped")
        # A feed only leads to its rack: with the rack it would not fail, so that it stands on the floor.
        rack = self._places.rack(claim.item)
        power = [{"inlet": "panel", "source": above.name, "outlet": ""}]
        fed: dict[str, Any] = {"role": Role.POWER_FEED.value, "floor": rack[1] if rack else None, "power_links": power}
        self._add(self.feeds, claim, Device(above.datacenter, name, Role.POWER_FEED), fed)

    def _add(self, into: dict[int, Device], claim: Claim, device: Device, spec: dict[str, Any]) -> None:
        if self.skips.title_of(claim.what, claim.number):
            return  # it has a name only because the inventory has it, and stays as it is
        marks = document_labels(claim.what, claim.item, self._rules, self._taken)
        into[claim.number] = device
        self.documents[claim.what, claim.number] = {
            "kind": "PhysicalResource",
            "name": device.name,
            "datacenter": device.datacenter,
            "labels": marks,
            "spec": spec,
        }

    def _keep_stored(self, what: str, into: dict[int, Device]) -> None:
        """Add what was skipped, listed or not, and is in the inventory: links of others lead to it as before."""
        for number in [int(item["id"]) for kind, item in self.skips.items.values() if kind == what]:
            stored = self._taken.stored_of(identity(what, number), "PhysicalResource")
            if number not in into and stored is not None:
                into[number] = Device(stored.parent, stored.name, Role(stored.role or Role.OTHER))

    def _model(self, kind: Item, name: str, roles: Counter[Role]) -> Document:
        maker = kind["manufacturer"]
        facts = self._rules.models.get(f"{maker.get('slug')}/{kind['slug']}") or self._rules.models.get(kind["slug"])
        spec = (facts or ModelFacts()).model_dump(mode="json", exclude_none=True)
        spec.setdefault("role", max(sorted(roles, key=lambda role: role.value), key=lambda role: roles[role]).value)
        spec |= {"vendor": naming.one_line(maker["name"], 256), "height_units": kind["u_height"]}
        spec["full_depth"] = kind.get("is_full_depth", True)
        labels = document_labels("device-type", kind, self._rules, self._taken)
        return {"kind": "PhysicalModel", "name": name, "labels": labels, "spec": spec}


def _without_empty(paths: list[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    shorter = (tuple(word for word in path if word) for path in paths)
    return tuple(dict.fromkeys(path for path in shorter if path))
