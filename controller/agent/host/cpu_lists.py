"""Parses and formats lists of cpus as the kernel and libvirt write them: ``0-3,8``."""

from __future__ import annotations

from collections.abc import Sequence


def parse_cpus(text: str) -> tuple[int, ...]:
    """Parse a list as the kernel writes it: ``0-3,8``. Raises ValueError."""
    cpus: list[int] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = part.partition("-")
        if not (first.isascii() and first.isdigit() and (not dash or (last.isascii() and last.isdigit()))):
            raise ValueError(f"{part!r} must be a cpu or a range of cpus, like 2 or 2-7")
        if dash and int(last) < int(first):
            raise ValueError(f"{part!r} ends before it begins")
        cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)


def format_cpus(cpus: Sequence[int]) -> str:
    """Return ``cpus``, which must be in order, as the kernel writes a list."""
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and runs[-1][1] == cpu - 1:
            runs[-1][1] = cpu
        else:
            runs.append([cpu, cpu])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in runs)
