"""Translates the rules of SecurityGroups into statements of nftables. Pure."""

from __future__ import annotations

from controller.model.security_group import IngressRule, RuleProtocol

_ALL_PORTS = {
    RuleProtocol.TCP: ["meta l4proto tcp"],
    RuleProtocol.UDP: ["meta l4proto udp"],
    RuleProtocol.ICMP: ["meta l4proto icmp"],
    RuleProtocol.ANY: [],
}


def statement(rule: IngressRule, addresses: str) -> str:
    """Return the statement that accepts what the rule matches, of packets of IPv4.

    ``addresses`` is the name of the set that holds the source's addresses; not used for a network.
    """
    return " ".join([*_source(rule, addresses), *_destination(rule), "accept"])


def _source(rule: IngressRule, addresses: str) -> list[str]:
    if rule.network is None:
        return [f"ip saddr @{addresses}"]
    return [f"ip saddr {rule.network}"] if rule.network.prefixlen else []


def _destination(rule: IngressRule) -> list[str]:
    if rule.port is None:
        return _ALL_PORTS[rule.protocol]
    ports = str(rule.port) if rule.end_port in (None, rule.port) else f"{rule.port}-{rule.end_port}"
    return [f"{rule.protocol.value.lower()} dport {ports}"]
