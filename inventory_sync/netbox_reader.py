"""Reading NetBox through pynetbox: lists side by side, their pages in parallel, plain dicts out.

pynetbox's ``Request`` does the paging and its session the transport; its ``Record`` objects are
not made, which costs more than everything else here. The long lists are asked with the fields that
are used: the server would else trace every cable's path, seconds per thousand.

Every failure is an error of our tree: a token that is refused, a NetBox that is away, what is no
NetBox. Only a connection that breaks off is tried once more: a pull is repeated as a whole, and writes
nothing before all is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from controller.errors import (
    Forbidden,
    InvalidInput,
    PermanentError,
    Problem,
    TemporaryError,
    TimedOut,
    Unauthenticated,
    Unavailable,
)

Item = Mapping[str, Any]
_WHERE = re.compile(r"^(<.*?>|\w+\(.*?\)): ")
"""How urllib3 begins: with the connection, which has been named."""
PAGE = 1000
AT_ONCE = 3
"""Lists at a time; each reads its pages two at a time."""
TRIES = 3
TIMEOUT = (10.0, 300.0)
"""Seconds to connect, and between two bytes: a page of interfaces can take a loaded NetBox minutes."""

_INTERFACES = "id,name,device,type,mac_address"
_CABLES = "id,a_terminations,b_terminations,profile"
_DEVICES = (
    "id,name,device_type,role,site,location,rack,position,serial,status,primary_ip4,tenant,platform,tags,custom_fields"
)
_ADDRESSES = "id,address,family,vrf,role,assigned_object_type,assigned_object_id,tags"
_FRONT_PORTS = "id,positions,rear_ports,rear_port,rear_port_position"
_FEEDS = "id,name,power_panel,rack,tags,custom_fields,status"
LISTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "interfaces": ("dcim/interfaces", {"fields": _INTERFACES}),
    "cables": ("dcim/cables", {"fields": _CABLES}),
    "devices": ("dcim/devices", {"fields": _DEVICES}),
    "ip_addresses": ("ipam/ip-addresses", {"fields": _ADDRESSES}),
    "front_ports": ("dcim/front-ports", {"fields": _FRONT_PORTS}),
    "rear_ports": ("dcim/rear-ports", {"fields": "id,positions"}),
    "regions": ("dcim/regions", {"brief": "true"}),
    "site_groups": ("dcim/site-groups", {"brief": "true"}),
    "sites": ("dcim/sites", {}),
    "locations": ("dcim/locations", {}),
    "racks": ("dcim/racks", {}),
    "device_types": ("dcim/device-types", {}),
    "device_roles": ("dcim/device-roles", {"brief": "true"}),
    "power_panels": ("dcim/power-panels", {}),
    "power_feeds": ("dcim/power-feeds", {"fields": _FEEDS}),
    "prefixes": ("ipam/prefixes", {}),
}
"""What is read, the longest first. Power ports and outlets are named by the cables between them."""

Tick = Callable[[str, int], None]


@dataclass(frozen=True)
class Snapshot:
    """All that was read, each list in the order of ids."""

    lists: Mapping[str, Sequence[Item]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Sequence[Item]:
        return self.lists.get(name, ())


class NetBox:
    """A NetBox and a token for it."""

    def __init__(self, url: str, token: str, *, ca: str | None = None, verify: bool = True, page: int = PAGE) -> None:
        try:
            import pynetbox
        except ImportError as error:  # pragma: no cover - the tests have it
            raise PermanentError("pynetbox is not installed: pip install 'resource-service[netbox]'") from error
        if not url.startswith(("http://", "https://")):
            raise InvalidInput([Problem("netbox-url", f"{url!r} is no http or https address")])
        self.url = url.rstrip("/")
        self._page = page
        self.api = pynetbox.api(self.url, token=token)
        self.api.http_session.verify = (ca or True) if verify else False
        self.api.http_session.trust_env = False
        _bound(self.api.http_session)

    def endpoint(self, path: str) -> Any:
        """pynetbox's endpoint of ``dcim/power-panels``."""
        app, name = path.split("/")
        return getattr(getattr(self.api, app), name.replace("-", "_"))

    def check(self) -> str:
        """The version; raises what is wrong with the address or the token.

        The status is open to some who may read nothing else, so that a list is asked as well.
        """
        with self.errors("status"):
            version = str(self.api.status().get("netbox-version", ""))
        if not version:
            raise PermanentError(f"{self.url} is no NetBox: its status names no version")
        with self.errors("dcim/sites"):
            self.endpoint("dcim/sites").count()
        return version

    def list(self, path: str, **filters: Any) -> list[Item]:
        """Every object of a list that the filters let through.

        What is made or deleted meanwhile shifts the pages: an object may come twice, and another not
        at all, which would look as if it were gone. Such a list is read again; raises TemporaryError
        when NetBox does not stand still.
        """
        for _ in range(TRIES):
            found, count = self._read(path, filters)
            unique = {int(item["id"]): item for item in found}
            if len(unique) == len(found) == count:
                return [unique[number] for number in sorted(unique)]
        raise TemporaryError(f"NetBox at {self.url}: {path} changes while it is read; try again")

    def _read(self, path: str, filters: Mapping[str, Any]) -> tuple[Sequence[Item], int]:
        """What its pages hold, and how many objects NetBox had counted before."""
        from pynetbox.core.query import Request

        endpoint = self.endpoint(path)
        with self.errors(path):
            request = Request(
                base=endpoint.url,
                filters=filters,
                limit=self._page,
                token=self.api.token,
                http_session=self.api.http_session,
                threading=True,
                max_workers=2,
            )
            found = tuple(request.get())
        return found, int(request.count)

    def snapshot(self, tick: Tick | None = None) -> Snapshot:
        """Read everything that a pull needs."""
        lists: dict[str, Sequence[Item]] = {}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            waiting = {pool.submit(self.list, path, **filters): name for name, (path, filters) in LISTS.items()}
            try:
                for done in as_completed(waiting):
                    lists[waiting[done]] = done.result()
                    if tick is not None:
                        tick(waiting[done], len(lists[waiting[done]]))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return Snapshot(lists)

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Turn pynetbox's and requests' errors into ours."""
        import pynetbox
        import requests

        try:
            yield
        except pynetbox.RequestError as error:
            raise self._refused(error, what) from error
        except (pynetbox.ContentError, requests.exceptions.JSONDecodeError) as error:
            raise PermanentError(f"{self.url} is no NetBox: what it answered to {what} is no JSON") from error
        except requests.exceptions.Timeout as error:
            raise TimedOut(f"NetBox at {self.url} did not answer {what} in time") from error
        except requests.exceptions.RequestException as error:
            raise Unavailable(f"NetBox at {self.url} cannot be reached: {_short(error)}") from error

    def _refused(self, error: Any, what: str) -> Exception:
        status = int(error.req.status_code)
        said = str(error.error)
        said = "what it answered is no JSON, so it may be no NetBox" if said.lstrip()[:1] not in "{[" else said[:300]
        if status == 401 or (status == 403 and "token" in said.lower()):
            return Unauthenticated(f"NetBox at {self.url} does not take the token: {said}")
        if status == 403:
            return Forbidden(f"NetBox at {self.url}: the token may not use {what}: {said}")
        if status >= 500:
            return TemporaryError(f"NetBox at {self.url} failed at {what}: {status}")
        return PermanentError(f"NetBox at {self.url} refused {what}: {status}, {said}")


def _bound(session: Any) -> None:
    """Give every request of the session a deadline: requests has none by itself.

    A server may close a connection that was kept open at the moment it is used again: what is only
    read is asked once more then.
    """
    from requests.exceptions import ConnectionError as Broken
    from urllib3.exceptions import ProtocolError

    send = session.send

    def with_deadline(request: Any, **options: Any) -> Any:
        options["timeout"] = options.get("timeout") or TIMEOUT
        try:
            return send(request, **options)
        except Broken as error:
            if request.method != "GET" or not (error.args and isinstance(error.args[0], ProtocolError)):
                raise
            return send(request, **options)

    session.send = with_deadline


def _short(error: Exception) -> str:
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    if isinstance(reason, Exception) and len(reason.args) > 1:
        reason = ": ".join(str(part) for part in reason.args if str(part) != "Connection aborted.")
    return _WHERE.sub("", str(reason)) or type(error).__name__
