"""Reading NetBox through pynetbox: lists side by side, their pages in parallel, plain dicts out.

pynetbox's ``Request`` does the paging and its session the transport. Its ``Record`` objects are not created, since they
cost more than everything else here. The long lists are requested with the needed fields only: the server would
otherwise trace the path of every cable, which takes seconds per thousand.

Every failure is an error of ``controller.errors``: a refused token, a NetBox that cannot be reached, a server that is
not NetBox. Only a broken connection is retried, once. A pull is repeated as a whole, and writes nothing before
everything is read.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from controller.client import retry
from controller.errors import (
    Forbidden,
    InvalidInput,
    PermanentError,
    Problem,
    TemporaryError,
    TimedOut,
    TooManyRequests,
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
_ASKED = 100
"""Ids in one request."""
TIMEOUT = (10.0, 300.0)
"""Seconds to connect, and between two bytes: a page of interfaces can take a loaded NetBox minutes."""

_INTERFACES = "id,name,device,type,mac_address"
_CABLES = "id,a_terminations,b_terminations,profile"
_DEVICES = (
    "id,name,device_type,role,site,location,rack,position,face,serial,status,primary_ip4,tenant,platform,tags,"
    "custom_fields"
)
_ADDRESSES = "id,address,family,vrf,role,assigned_object_type,assigned_object_id,tags"
_FRONT_PORTS = "id,positions,rear_ports,rear_port,rear_port_position"
_GROUPS = "id,name,slug,description,parent,tags,custom_fields"
_FEEDS = "id,name,power_panel,rack,tags,custom_fields,status"
LISTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "interfaces": ("dcim/interfaces", {"fields": _INTERFACES}),
    "cables": ("dcim/cables", {"fields": _CABLES}),
    "devices": ("dcim/devices", {"fields": _DEVICES}),
    "ip_addresses": ("ipam/ip-addresses", {"fields": _ADDRESSES}),
    "front_ports": ("dcim/front-ports", {"fields": _FRONT_PORTS}),
    "rear_ports": ("dcim/rear-ports", {"fields": "id,positions"}),
    "regions": ("dcim/regions", {"fields": _GROUPS}),
    "site_groups": ("dcim/site-groups", {"fields": _GROUPS}),
    "sites": ("dcim/sites", {}),
    "locations": ("dcim/locations", {}),
    "racks": ("dcim/racks", {}),
    "device_types": ("dcim/device-types", {}),
    "device_roles": ("dcim/device-roles", {"brief": "true"}),
    "power_panels": ("dcim/power-panels", {}),
    "power_feeds": ("dcim/power-feeds", {"fields": _FEEDS}),
    "prefixes": ("ipam/prefixes", {}),
}
"""The lists that are read, the longest first. The cables name the power ports and outlets between them."""

Tick = Callable[[str, int], None]


@dataclass(frozen=True)
class Snapshot:
    """Everything that was read, each list in the order of ids."""

    lists: Mapping[str, Sequence[Item]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Sequence[Item]:
        return self.lists.get(name, ())


class NetBox:
    """A NetBox and a token for it."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca: str | None = None,
        verify: bool = True,
        page: int = PAGE,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """``pause`` waits some seconds, where NetBox, or a proxy before it, says that it was asked too often."""
        try:
            import pynetbox
        except ImportError as error:  # pragma: no cover - the tests have it
            raise PermanentError("pynetbox is not installed: pip install 'resource-service[netbox]'") from error
        if not url.startswith(("http://", "https://")):
            raise InvalidInput([Problem("netbox-url", f"{url!r} must be an http or https address")])
        self.url = url.rstrip("/")
        self._page = page
        self.api = pynetbox.api(self.url, token=token)
        self.api.http_session.verify = (ca or True) if verify else False
        self.api.http_session.trust_env = False
        _set_deadline(self.api.http_session, pause)

    def endpoint(self, path: str) -> Any:
        """pynetbox's endpoint of ``dcim/power-panels``."""
        app, name = path.split("/")
        return getattr(getattr(self.api, app), name.replace("-", "_"))

    def check(self) -> str:
        """Return the version. Raises when the address or the token is wrong.

        Some tokens may read the status and nothing else, so a list is read as well.
        """
        with self.errors("status"):
            version = str(self.api.status().get("netbox-version", ""))
        if not version:
            raise PermanentError(f"{self.url} is not NetBox: its status has no version")
        with self.errors("dcim/sites"):
            self.endpoint("dcim/sites").count()
        return version

    def list(self, path: str, **filters: Any) -> list[Item]:
        """Return every object of a list that the filters accept.

        Objects that are created or deleted meanwhile shift the pages: an object may be read twice and another not at
        all, which would look like a deletion. Such a list is read again. Raises TemporaryError when it changes
        each time.
        """
        for _ in range(TRIES):
            found, count = self._read(path, filters)
            unique = {int(item["id"]): item for item in found}
            if len(unique) == len(found) == count:
                return [unique[number] for number in sorted(unique)]
        raise TemporaryError(f"NetBox at {self.url}: {path} changes while it is read; try again")

    def _read(self, path: str, filters: Mapping[str, Any]) -> tuple[Sequence[Item], int]:
        """Return the objects of the pages, and the number of objects that NetBox had counted before."""
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

    def require_absent(self, objects: Mapping[str, str], identities: Sequence[str]) -> None:
        """Ask by id for objects that no list had. Raises TemporaryError when one exists.

        An object that is deleted while another is created leaves the number of objects as it was, and shifts the
        pages: a third object is then in none of them. ``objects`` are the types of objects by list.
        """
        lists = {what: name for name, what in objects.items()}
        numbers: dict[str, list[int]] = {}
        for one in identities:
            what, _, number = one.rpartition("-")
            if what in lists and number.isdigit():
                numbers.setdefault(what, []).append(int(number))
        for what, all_of_them in numbers.items():
            path = LISTS[lists[what]][0]
            for first in range(0, len(all_of_them), _ASKED):
                found = self.list(path, id=all_of_them[first : first + _ASKED], fields="id")
                if found:
                    raise TemporaryError(
                        f"NetBox at {self.url}: {path} did not list the object with id {found[0]['id']}, which exists:"
                        " the list changed while it was read; try again"
                    )

    @contextmanager
    def errors(self, what: str) -> Iterator[None]:
        """Wrap errors of pynetbox and requests in those of ``controller.errors``."""
        import pynetbox
        import requests

        try:
            yield
        except pynetbox.RequestError as error:
            raise self._refused(error, what) from error
        except (pynetbox.ContentError, requests.exceptions.JSONDecodeError) as error:
            raise PermanentError(f"{self.url} is not NetBox: its answer to {what} is not JSON") from error
        except requests.exceptions.Timeout as error:
            raise TimedOut(f"NetBox at {self.url} did not answer {what} in time") from error
        except requests.exceptions.RequestException as error:
            raise Unavailable(f"NetBox at {self.url} cannot be reached: {_short(error)}") from error

    def _refused(self, error: Any, what: str) -> Exception:
        status = int(error.req.status_code)
        said = str(error.error)
        said = "what it answered is no JSON, so it may be no NetBox" if said.lstrip()[:1] not in "{[" else said[:300]
        if status == 401 or (status == 403 and "token" in said.lower()):
            return Unauthenticated(f"NetBox at {self.url} refused the token: {said}")
        if status == 403:
            return Forbidden(f"NetBox at {self.url}: the token may not use {what}: {said}")
        if status == 429:
            return TooManyRequests(f"NetBox at {self.url} limits the requests of this token; try again later")
        if status >= 500:
            return TemporaryError(f"NetBox at {self.url} failed at {what}: {status}")
        return PermanentError(f"NetBox at {self.url} refused {what}: {status}, {said}")


def _set_deadline(session: Any, pause: Callable[[float], None]) -> None:
    """Give every request of the session a deadline, since requests has none by default, and patience after a 429.

    A server may close an idle connection at the moment of its next use. A request that only reads is then
    sent once more.
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

    def with_patience(request: Any, **options: Any) -> Any:
        waited = 0.0
        while True:
            response = with_deadline(request, **options)
            headers = {name.lower(): value for name, value in response.headers.items()}
            seconds = retry.pause(response.status_code, headers, waited)
            if seconds is None:
                return response
            pause(seconds)
            waited += seconds

    session.send = with_patience


def _short(error: Exception) -> str:
    reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
    if isinstance(reason, Exception) and len(reason.args) > 1:
        reason = ": ".join(str(part) for part in reason.args if str(part) != "Connection aborted.")
    return _WHERE.sub("", str(reason)) or type(error).__name__
