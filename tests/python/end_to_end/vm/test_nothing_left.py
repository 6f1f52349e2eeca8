"""The end of the site: after the service is deleted and the lab is down, nothing of either is left.

Runs after the other tests of this folder, which need the lab.
"""

from __future__ import annotations

import os

import pytest

from tests.python.end_to_end.vm import hypervisors
from tests.python.end_to_end.vm.site import WEB, Site
from tests.python.end_to_end.vm.watcher import watching
from tests.python.integration.lab.conftest import traces

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root"),
]


@pytest.mark.design("K5", "E1", "B5")
def test_a_deleted_service_leaves_nothing_on_the_nodes_and_in_the_books(site: Site) -> None:
    site.have(2)
    with watching(site.lab):
        site.call(lambda client: client.delete(WEB))
        site.until(lambda: "" if site.service() is None else "the service is there")
        site.until(site.misplaced)
        site.until(site.leaks)
    assert site.computes() == []
    assert hypervisors.guests(site.lab.layout.namespaces) == []


def test_a_lab_that_is_down_leaves_nothing_on_the_machine(site: Site) -> None:
    site.down()
    assert traces(site.lab) == []
