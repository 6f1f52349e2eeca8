"""Lists that change between their pages: what is missed would look as if it were no longer in NetBox."""

from __future__ import annotations

import pytest

from controller.errors import TemporaryError, TooManyRequests, Unavailable
from inventory_sync.netbox_reader import NetBox
from tests.python.integration.netbox.standin import TOKEN, StandIn


@pytest.mark.design("N4")
@pytest.mark.parametrize("made", [False, True])
def test_a_list_that_changes_between_its_pages_is_read_again(netbox: StandIn, made: bool) -> None:
    devices = netbox.lists["dcim/devices"]
    first = devices.pop(min(devices)) if made else None
    changed: list[str] = []

    def change(path: str) -> None:
        if not changed:
            changed.append(path)
            if first is None:
                del devices[min(devices)]
            else:
                devices[first["id"]] = first

    netbox.after_page = change
    found = NetBox(netbox.url, TOKEN, page=10).list("dcim/devices")
    assert changed
    assert [one["id"] for one in found] == sorted(devices)


@pytest.mark.design("N4")
def test_a_list_that_never_stands_still_is_an_error(netbox: StandIn) -> None:
    devices = netbox.lists["dcim/devices"]

    def change(path: str) -> None:
        del devices[min(devices)]

    netbox.after_page = change
    with pytest.raises(TemporaryError, match="dcim/devices changes while it is read"):
        NetBox(netbox.url, TOKEN, page=10).list("dcim/devices")


@pytest.mark.design("N4")
def test_every_list_is_read_page_by_page(netbox: StandIn) -> None:
    NetBox(netbox.url, TOKEN, page=100).snapshot()
    pages = [one for one in netbox.reads if one.startswith("/api/dcim/interfaces/")]
    assert len(pages) == -(-len(netbox.lists["dcim/interfaces"]) // 100)
    assert all("limit=100" in one for one in pages)


@pytest.mark.design("N4")
def test_a_connection_that_breaks_off_is_tried_once_more_and_no_longer(netbox: StandIn) -> None:
    asked: list[str] = []

    def first(path: str) -> bool:
        asked.append(path)
        return len(asked) == 1

    netbox.hang_up = first
    assert len(NetBox(netbox.url, TOKEN).list("dcim/racks")) == len(netbox.lists["dcim/racks"])
    assert asked == ["dcim/racks"] * 2
    netbox.hang_up = lambda path: True
    with pytest.raises(Unavailable) as caught:
        NetBox(netbox.url, TOKEN).list("dcim/racks")
    assert caught.value.message == (
        f"NetBox at {netbox.url} cannot be reached: Remote end closed connection without response"
    )


@pytest.mark.design("N4")
def test_a_netbox_that_limits_requests_is_waited_for_and_not_for_ever(netbox: StandIn) -> None:
    pauses: list[float] = []
    netbox.too_many = 2
    reader = NetBox(netbox.url, TOKEN, pause=pauses.append)
    assert len(reader.list("dcim/racks")) == len(netbox.lists["dcim/racks"])
    assert pauses == [50.0, 50.0]
    netbox.too_many = 99
    with pytest.raises(TooManyRequests, match="limits the requests"):
        reader.list("dcim/racks")
    assert pauses == [50.0] * 4
