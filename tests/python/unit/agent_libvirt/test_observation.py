"""The operation of a domain's job, and what a refusal to describe it means."""

from __future__ import annotations

from typing import Any

import libvirt
import pytest

from controller.agent.drivers.libvirt import observation


class RefusingDomain:
    """A domain whose job libvirt does not describe."""

    def __init__(self, code: int, *, active: bool) -> None:
        self._code, self._active = code, active

    def jobInfo(self) -> list[int]:
        """Refuse with the code."""
        error = libvirt.libvirtError("refused")
        error.err = (self._code, 0, "migration statistics are available only on the source host")
        raise error

    def isActive(self) -> bool:
        """Whether there is a QEMU process."""
        return self._active


def _job(code: int, *, active: bool) -> int | None:
    domain: Any = RefusingDomain(code, active=active)
    return observation.job_operation(domain)


@pytest.mark.parametrize("code", [libvirt.VIR_ERR_OPERATION_INVALID, libvirt.VIR_ERR_OPERATION_UNSUPPORTED])
def test_a_refusal_means_receiving_while_there_is_a_process_and_nothing_after_it(code: int) -> None:
    assert _job(code, active=True) == libvirt.VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN
    assert _job(code, active=False) is None


def test_a_domain_that_does_not_exist_has_no_job() -> None:
    assert _job(libvirt.VIR_ERR_NO_DOMAIN, active=False) is None


def test_any_other_error_is_passed_on() -> None:
    with pytest.raises(libvirt.libvirtError):
        _job(libvirt.VIR_ERR_INTERNAL_ERROR, active=True)
