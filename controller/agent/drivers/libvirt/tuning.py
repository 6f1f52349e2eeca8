"""Applies a machine's limits to its running domain, and reads them back, for the domain control.

The definition has the limits that apply from the first instant (``templates/domain.xml.j2``). What
belongs to this host is applied here, to domains that came from another node or whose cells or cpus
changed. A repeated call is harmless. Only the running domain is changed: its stored definition keeps
the mark of its own content, and is written again before the next start.

A limit of cpu time needs libvirt's cpu controller (cgroups). Without it a machine that needs a limit
is refused, and one that needs none gets no weight: a vcpu is one thread and cannot use more than
one. The cpuset controller binds a running machine's memory to cells. Without it a machine that would
arrive with cells is refused before its source sends it.

Each function blocks (it runs in the connection's worker threads).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from xml.etree import ElementTree

import libvirt

from controller.agent.drivers.libvirt.definition import IO_GROUP, PERIOD
from controller.agent.drivers.libvirt.names import tap_name
from controller.agent.drivers.limits import UNLIMITED, Limits
from controller.agent.host.cpu_lists import format_cpus, parse_cpus
from controller.errors import PermanentError
from controller.hostnet import bandwidth

MIB = 1 << 20
_LIVE = libvirt.VIR_DOMAIN_AFFECT_LIVE
_NO_CPU_LIMIT = (
    "cannot be limited to {percent} % of a cpu on this node: its libvirt does not have the cpu cgroup controller "
    "(cgroup_controllers in qemu.conf); only flavors with cpu_percent 100 can run here"
)
_NO_CELLS = (
    "cannot be bound to NUMA cells {cells} when it arrives running on this node: its libvirt does not have the cpuset "
    "cgroup controller (cgroup_controllers in qemu.conf)"
)
_PROBE = """
<domain type="{kind}">
  <name>resource-service-probe-{number}</name>
  <memory unit="MiB">16</memory>
  <vcpu>1</vcpu>
  <os><type arch="x86_64">hvm</type></os>
  <devices><controller type="usb" model="none"/><memballoon model="none"/></devices>
</domain>
"""


def apply(connect: libvirt.virConnect, domain: libvirt.virDomain, limits: Limits) -> None:
    """Bind the running domain to this host's part of ``limits``; what the definition has is not changed.

    Raises PermanentError when its cpu time cannot be limited, or its memory cannot be bound to its cells.
    """
    size = connect.getCPUMap()[0]
    for number, cpus in enumerate(limits.vcpus):
        domain.pinVcpuFlags(number, _map(cpus, size), _LIVE)
    domain.pinEmulator(_map(limits.emulator, size), _LIVE)
    if limits.cells and domain.numaParameters(_LIVE).get("numa_nodeset") != format_cpus(limits.cells):
        _bind_memory(domain, domain.name(), limits)
    if limits.capped:
        check_can_cap(domain, limits)
        part = PERIOD * limits.cpu_percent // 100
        values = {"global_period": PERIOD, "global_quota": part * len(limits.vcpus)}
        domain.setSchedulerParametersFlags({**values, "vcpu_period": PERIOD, "vcpu_quota": part}, _LIVE)
    set_weight(domain, limits)


def set_weight(domain: libvirt.virDomain, limits: Limits) -> None:
    """Set the running domain's part of the shared threads for when all are busy, if this host can do that."""
    if _has_cpu_controller(domain):
        domain.setSchedulerParametersFlags({"cpu_shares": limits.weight}, _LIVE)


def check_can_cap(domain: libvirt.virDomain, limits: Limits) -> None:
    """Raise PermanentError when the running domain's cpu time must be limited and cannot be."""
    if limits.capped and not _has_cpu_controller(domain):
        raise no_cpu_limit_error(domain.name(), limits)


def check_can_bind(connect: libvirt.virConnect, name: str, limits: Limits, *, kvm: bool) -> None:
    """Raise PermanentError when a machine that arrives running could not be bound to its cells on this host.

    libvirt answers only about a domain that runs: a small one exists for a moment, paused.
    """
    if not limits.cells:
        return
    flags = libvirt.VIR_DOMAIN_START_PAUSED | libvirt.VIR_DOMAIN_START_AUTODESTROY
    xml = _PROBE.format(kind="kvm" if kvm else "qemu", number=secrets.token_hex(6))
    probe = connect.createXML(xml, flags)
    try:
        _bind_memory(probe, name, limits)
    finally:
        probe.destroy()


def _bind_memory(domain: libvirt.virDomain, name: str, limits: Limits) -> None:
    """Bind the running domain's memory to the cells of the machine ``name``; the kernel moves what is elsewhere."""
    try:
        domain.setNumaParameters({"numa_nodeset": format_cpus(limits.cells)}, _LIVE)
    except libvirt.libvirtError as error:
        if "cpuset" in (error.get_error_message() or ""):  # "cgroup cpuset controller is not mounted"
            raise PermanentError(f"{name} {_NO_CELLS.format(cells=format_cpus(limits.cells))}") from error
        raise


def no_cpu_limit_error(name: str, limits: Limits) -> PermanentError:
    """Return the error for a machine whose cpu time this host cannot limit."""
    return PermanentError(f"{name} {_NO_CPU_LIMIT.format(percent=limits.cpu_percent)}")


def is_cpu_limit_refusal(message: str) -> bool:
    """Return whether libvirt refused to start a domain because of a limit of cpu time."""
    # "cgroup cpu is required for scheduler tuning", "CPU tuning is not available on this host"
    return "cgroup cpu" in message or "CPU tuning" in message


def limit_network(uid: str, taps: Sequence[str], limits: Limits) -> None:
    """Limit the machine's taps. Raises Unavailable."""
    if limits.nic_bytes:
        bandwidth.limit(_table(uid), taps, limits.nic_bytes)


def release_network(uid: str) -> None:
    """Delete the limits of taps that do not exist any more."""
    bandwidth.release(_table(uid))


def read(domain: libvirt.virDomain, uid: str, taps: Sequence[str]) -> Limits:
    """Return the limits of the running domain."""
    iops, mibps = _io(domain)
    rates = {rate for pair in bandwidth.read(_table(uid), taps) for rate in pair}
    return Limits(
        vcpus=tuple(_cpus(line) for line in domain.vcpuPinInfo(_LIVE)),
        emulator=_cpus(domain.emulatorPinInfo(_LIVE)),
        cpu_percent=_percent(domain),
        cells=parse_cpus(domain.numaParameters(_LIVE).get("numa_nodeset", "")),
        huge_pages=ElementTree.fromstring(domain.XMLDesc()).find("memoryBacking/hugepages") is not None,  # noqa: S314
        disk_iops=iops,
        disk_mibps=mibps,
        nic_bytes=rates.pop() if len(rates) == 1 else 0,
    )


def _percent(domain: libvirt.virDomain) -> int:
    """Return the lower one of two limits in percent of a thread: of each vcpu, and of the process for each vcpu."""
    if not _has_cpu_controller(domain):
        return UNLIMITED
    values = domain.schedulerParametersFlags(_LIVE)
    vcpus = len(domain.vcpuPinInfo(_LIVE))
    parts = [UNLIMITED]
    if values["vcpu_quota"] > 0 and 0 < values["global_quota"] <= values["vcpu_quota"] * vcpus:
        parts.append(100 * values["vcpu_quota"] // values["vcpu_period"])
    return min(parts)


def _io(domain: libvirt.virDomain) -> tuple[int, int]:
    """Return the operations and the MiB per second of all disks together; 0 where they are not limited."""
    root = ElementTree.fromstring(domain.XMLDesc())  # noqa: S314 - from the local libvirtd
    targets = [target.get("dev", "") for target in root.findall("devices/disk/target")]
    values = [domain.blockIoTune(target, _LIVE) for target in targets]
    found = {(one["total_iops_sec"], one["total_bytes_sec"], one.get("group_name")) for one in values}
    if len(found) != 1:
        return 0, 0  # disks with limits of their own do not share one
    iops, size, group = found.pop()
    return (iops, size // MIB) if group == IO_GROUP else (0, 0)


def _has_cpu_controller(domain: libvirt.virDomain) -> bool:
    try:
        domain.schedulerType()
    except libvirt.libvirtError as error:
        if error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and domain.isActive():
            return False
        raise
    return True


def _table(uid: str) -> str:
    """Return the name of the machine's nftables table: the common part of its taps' names."""
    return tap_name(uid, 0)[:-2]


def _map(cpus: Sequence[int], size: int) -> tuple[bool, ...]:
    return tuple(number in cpus for number in range(size))


def _cpus(line: Sequence[bool]) -> tuple[int, ...]:
    return tuple(number for number, may in enumerate(line) if may)
