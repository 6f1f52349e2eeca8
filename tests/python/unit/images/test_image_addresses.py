"""Which addresses an image may be fetched from."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.agent.image_source.addresses import AddressRules

pytestmark = pytest.mark.design("E10")

REFUSED = (
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "::",
    "::1",
    "::1%lo",
    "169.254.169.254",
    "169.254.1.1",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "fd00:ec2::254",
    "100.100.100.200",
    "224.0.0.1",
    "255.255.255.255",
    "ff02::1",
    "64:ff9b:1::a00:1",
    "not an address",
)


@pytest.mark.parametrize("address", REFUSED)
def test_what_no_node_reads_from_by_default(address: str) -> None:
    assert AddressRules().refusal(address)


@pytest.mark.parametrize("address", ["192.0.2.1", "10.1.2.3", "2001:db8::1", "fd12::1", "::ffff:192.0.2.1"])
def test_other_servers_are_asked(address: str) -> None:
    assert AddressRules().refusal(address) is None


def test_infrastructure_and_own_networks_are_refused() -> None:
    rules = AddressRules(infrastructure=[ip_network("10.9.0.0/16")])
    assert rules.refusal("10.9.1.1") == "of the infrastructure"
    assert rules.refusal("10.8.1.1", [ip_network("10.8.0.0/16")]) == "in a network of the node's own interfaces"
    assert rules.refusal("10.7.1.1", [ip_network("10.8.0.0/16")]) is None
    assert rules.refusal("::ffff:10.9.1.1"), "the same address in IPv6"


def test_the_longest_network_decides_and_deny_before_allow() -> None:
    rules = AddressRules(
        allow=[ip_network("10.5.0.0/24"), ip_network("127.0.0.1/32"), ip_network("10.9.0.4/32")],
        deny=[ip_network("0.0.0.0/0"), ip_network("10.5.0.7/32"), ip_network("127.0.0.1/32")],
        infrastructure=[ip_network("10.9.0.0/16")],
    )
    assert rules.refusal("192.0.2.1") == "denied by images.deny"
    assert rules.refusal("10.5.0.6") is None
    assert rules.refusal("10.5.0.7") == "denied by images.deny"
    assert rules.refusal("127.0.0.1") == "denied by images.deny"
    assert rules.refusal("10.9.0.4") is None


@given(st.ip_addresses(v=4))
def test_ipv6_forms_of_an_address_are_refused_as_it_is(address: IPv4Address) -> None:
    rules = AddressRules(infrastructure=[ip_network("10.0.0.0/8")], deny=[ip_network("192.0.0.0/6")])
    number = int(address)
    mapped = IPv6Address((0xFFFF << 32) | number)
    nat64 = IPv6Address((0x64FF9B << 96) | number)
    sixtofour = IPv6Address((0x2002 << 112) | (number << 80))
    assert rules.refusal(str(mapped)) == rules.refusal(str(address))
    if rules.refusal(str(address)):
        assert rules.refusal(str(nat64))
        assert rules.refusal(str(sixtofour))
