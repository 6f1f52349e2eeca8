"""Rules become statements that accept exactly what they say, and changes lead from any ruleset to any other.

A small model of nftables stands for the kernel; ``integration/hostnet`` has the real one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from controller.hostnet.access import Access, ServiceAccess
from controller.hostnet.ruleset import EMPTY, Ruleset, arrivals, build, changes
from controller.model.security_group import IngressRule, RuleProtocol

ADDRESSES = [IPv4Address("172.16.10.10") + number for number in range(6)]
GATEWAY = IPv4Address("172.16.10.1")
SERVICES = ["default/kanto/web", "default/kanto/web-1", "shop/kanto/web"]
GROUPS = ["default/web", "default/db", "shop/web"]
SOURCES = ["group default/web", "group default/db", "group shop/web", "project shop"]
NETWORKS = ["0.0.0.0/0", "172.16.10.0/24", "172.16.10.12/31", "192.0.2.1/32"]
PORTS = [1, 80, 81, 65535]


@dataclass(frozen=True)
class Tap:
    tap: str
    address: IPv4Address
    service: str
    gateway: IPv4Address = GATEWAY


@dataclass(frozen=True)
class Packet:
    """A packet that opens a connection to a tap."""

    source: IPv4Address
    protocol: str
    port: int


@st.composite
def rules(draw: st.DrawFn) -> IngressRule:
    protocol = draw(st.sampled_from(RuleProtocol))
    given: dict[str, object] = {"protocol": protocol.value}
    if protocol in (RuleProtocol.TCP, RuleProtocol.UDP) and draw(st.booleans()):
        first, last = sorted((draw(st.sampled_from(PORTS)), draw(st.sampled_from(PORTS))))
        given |= {"port": first, **({"end_port": last} if draw(st.booleans()) else {})}
    source = draw(st.sampled_from(["network", "group", "project"]))
    names = {"network": NETWORKS, "group": ["web", "db"], "project": ["shop"]}
    return IngressRule.model_validate({**given, source: draw(st.sampled_from(names[source]))})


addresses = st.frozensets(st.sampled_from(ADDRESSES))
accesses = st.builds(
    Access,
    services=st.dictionaries(
        st.sampled_from(SERVICES),
        st.builds(ServiceAccess, addresses, st.lists(st.sampled_from(GROUPS), unique=True).map(tuple)),
    ),
    groups=st.dictionaries(st.sampled_from(GROUPS), st.lists(rules(), max_size=4).map(tuple)),
    sources=st.dictionaries(st.sampled_from(SOURCES), addresses),
)
taps = st.lists(
    st.builds(Tap, st.sampled_from(["sv-a", "sv-b", "sv-c"]), st.sampled_from(ADDRESSES), st.sampled_from(SERVICES)),
    unique_by=lambda tap: tap.tap,
)
packets = st.builds(
    Packet,
    st.sampled_from([*ADDRESSES, IPv4Address("192.0.2.1"), IPv4Address("8.8.8.8")]),
    st.sampled_from(["tcp", "udp", "icmp", "gre"]),
    st.sampled_from([*PORTS, 79, 82, 40000]),
)


def allowed(access: Access, tap: Tap, packet: Packet) -> bool:
    """What the access means, in words of the model."""
    service = access.services.get(tap.service)
    if service is None:
        return False
    if packet.source in service.members:
        return True
    return any(
        _matches(rule, group.partition("/")[0], access, packet)
        for group in service.groups
        for rule in access.groups.get(group, ())
    )


def _matches(rule: IngressRule, project: str, access: Access, packet: Packet) -> bool:
    if rule.protocol is not RuleProtocol.ANY and rule.protocol.value.lower() != packet.protocol:
        return False
    if rule.port is not None and not rule.port <= packet.port <= (rule.end_port or rule.port):
        return False
    if rule.network is not None:
        return packet.source in rule.network
    return packet.source in access.sources.get(rule.source(project), frozenset())


@dataclass
class Kernel:
    """Sets, maps and chains as nftables keeps them; it refuses what nftables refuses."""

    sets: dict[str, set[str]] = field(default_factory=lambda: {"guest": set(), "gateway": set(), "entry": set()})
    chains: dict[str, list[str]] = field(default_factory=dict)

    def run(self, commands: Iterable[str]) -> None:
        for command in commands:
            verb, what, _, _, name, *_ = command.split(" ")
            rest = command.split(f" {name} ", 1)[1] if f" {name} " in command else ""
            getattr(self, f"{verb}_{what}")(name, rest)

    def add_set(self, name: str, rest: str) -> None:
        assert name not in self.sets
        self.sets[name] = set()

    def delete_set(self, name: str, rest: str) -> None:
        assert not any(f"@{name} " in rule for rules in self.chains.values() for rule in rules)
        del self.sets[name]

    def add_chain(self, name: str, rest: str) -> None:
        assert name not in self.chains
        self.chains[name] = []

    def flush_chain(self, name: str, rest: str) -> None:
        self.chains[name].clear()

    def delete_chain(self, name: str, rest: str) -> None:
        users = [rule for rules in self.chains.values() for rule in rules] + sorted(self.sets["entry"])
        assert not any(f"jump {name}" in user for user in users)
        del self.chains[name]

    def add_rule(self, name: str, rest: str) -> None:
        assert all(found in self.sets for found in re.findall(r"@(\w+)", rest))
        assert all(found in self.chains for found in re.findall(r"jump (\w+)", rest))
        self.chains[name].append(rest)

    def add_element(self, name: str, rest: str) -> None:
        new = set(rest.strip("{ }").split(", "))
        assert not new & self.sets[name]
        self.sets[name] |= new
        keys = [element.split(" : ")[0] for element in self.sets[name]]
        assert len(set(keys)) == len(keys), "a map has one value per key"

    def delete_element(self, name: str, rest: str) -> None:
        old = set(rest.strip("{ }").split(", "))
        assert old <= self.sets[name]
        self.sets[name] -= old

    def accepts(self, tap: Tap, packet: Packet) -> bool:
        verdicts = dict(element.split(" : ") for element in self.sets["entry"])
        verdict = verdicts.get(f'"{tap.tap}"', "")
        return verdict == "accept" or (verdict != "" and self._chain(verdict.removeprefix("jump "), packet))

    def _chain(self, name: str, packet: Packet) -> bool:
        return any(self._rule(rule, packet) for rule in self.chains[name])

    def _rule(self, rule: str, packet: Packet) -> bool:
        words = rule.split(" ")
        while words:
            match words:
                case ["ip", "saddr", source, *words]:
                    if source.startswith("@"):
                        if str(packet.source) not in self.sets[source[1:]]:
                            return False
                    elif packet.source not in IPv4Network(source):
                        return False
                case ["meta", "l4proto", protocol, *words]:
                    if packet.protocol != protocol:
                        return False
                case [("tcp" | "udp") as protocol, "dport", ports, *words]:
                    first, _, last = ports.partition("-")
                    if packet.protocol != protocol or not int(first) <= packet.port <= int(last or first):
                        return False
                case ["jump", chain]:
                    return self._chain(chain, packet)
                case ["accept"]:
                    return True
                case _:
                    raise AssertionError(rule)
        return False


@given(taps, accesses, packets)
def test_a_packet_is_accepted_exactly_if_the_access_allows_it(taps: list[Tap], access: Access, packet: Packet) -> None:
    kernel = Kernel()
    kernel.run(changes("t", EMPTY, build(taps, access)))
    for tap in taps:
        assert kernel.accepts(tap, packet) == allowed(access, tap, packet)


@given(st.lists(st.tuples(taps, st.none() | accesses), min_size=1, max_size=4))
def test_changes_lead_from_each_ruleset_to_the_next(steps: list[tuple[list[Tap], Access | None]]) -> None:
    kernel, before = Kernel(), EMPTY
    for given_taps, access in steps:
        after = build(given_taps, access)
        kernel.run(changes("t", before, after))
        assert kernel.sets == {name: set(elements) for name, elements in after.sets.items()}
        assert kernel.chains == {name: list(rules) for name, rules in after.chains.items()}
        assert changes("t", after, after) == []
        before = after


@given(taps, taps, accesses)
def test_arrivals_are_the_taps_that_were_not_there(before: list[Tap], after: list[Tap], access: Access) -> None:
    found = arrivals(build(before, access), build(after, access))
    assert found == sorted({f'"{tap.tap}"' for tap in after} - {f'"{tap.tap}"' for tap in before})


def test_what_is_not_known_refuses_nobody_and_what_is_known_to_be_empty_everybody() -> None:
    tap, packet = Tap("sv-a", ADDRESSES[0], SERVICES[0]), Packet(ADDRESSES[1], "tcp", 80)
    for access, accepted in ((None, True), (Access(), False)):
        kernel = Kernel()
        kernel.run(changes("t", EMPTY, build([tap], access)))
        assert kernel.accepts(tap, packet) is accepted


def test_the_cost_of_a_packet_does_not_depend_on_the_number_of_machines() -> None:
    """One look-up leads to the rules of the tap's own service."""
    few, many = (
        build([Tap(f"sv-{number}", ADDRESSES[0] + number, SERVICES[0]) for number in range(count)], _one_group())
        for count in (1, 500)
    )
    assert few.chains == many.chains


def _one_group() -> Access:
    return Access(
        {SERVICES[0]: ServiceAccess(frozenset(ADDRESSES), ("default/web",))},
        {"default/web": (IngressRule.model_validate({"port": 80, "network": "0.0.0.0/0"}),)},
    )


def test_names_fit_into_those_of_nftables() -> None:
    long = "/".join(["p" * 63, "r" * 63, "s" * 63])
    ruleset = build([Tap("sv-a", ADDRESSES[0], long)], Access({long: ServiceAccess(groups=("a" * 63 + "/b",))}))
    assert all(len(name) < 32 for name in (*ruleset.sets, *ruleset.chains))
    assert isinstance(ruleset, Ruleset)
