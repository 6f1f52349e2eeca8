#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: compute_delete
short_description: Deletes a Compute by name
version_added: 0.1.0
description:
  - Deletes a Compute by name.
  - Its service then has one replica less. Deleting the last one deletes the service.
author:
  - Resource Service (@resource-service)
extends_documentation_fragment:
  - resource.infra.api
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  region:
    description:
      - Name of the region.
    type: str
    required: true
  name:
    description:
      - Name of the Compute.
    type: str
    required: true
  project:
    description:
      - Project of the resource. Default is V(default).
    type: str
"""

EXAMPLES = r"""
---
- name: Deletes a Compute by name
  resource.infra.compute_delete:
    region: kanto
    name: web-0
"""

RETURN = r"""
---
resource:
  description: The Compute after the task (in check mode, before it). Empty when it does not exist.
  returned: success
  type: dict
  sample:
    kind: Compute
    name: web-0
    region: kanto
    spec:
      service: web
      index: 0
      host_name: web-0.default.kanto
      cluster: tokyo1
      provider: libvirt
      sizes:
        vcpus: 1
        memory_mib: 256
        disk_gib: 1
      image:
        url: file:///srv/guest.qcow2
        checksum: sha256:0000000000000000000000000000000000000000000000000000000000000000
    status: Active
    resource_version: 42
unresolved:
  description: Names that do not exist yet. A real run is refused unless the play creates them first.
  returned: in check mode or with diff, when there are any
  type: list
  elements: dict
  sample:
    - path: datacenter
      message: Datacenter tokyo does not exist
forecast:
  description: The nodes that new Computes would get; a forecast.
  returned: in check mode or with diff, for services
  type: dict
  sample:
    unknown: no cluster answers
problems:
  description: Each field with an error, with its document where there are several.
  returned: failure
  type: list
  elements: dict
  sample:
    - path: spec.units
      message: Input should be greater than 0
"""
