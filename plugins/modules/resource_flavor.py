#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: resource_flavor
short_description: Makes, changes and removes a ResourceFlavor
version_added: 0.1.0
description:
  - A named size.
  - What the task does not name stays as it is; a list or map that it names is replaced as a whole.
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
  name:
    description:
      - Name of the ResourceFlavor.
    type: str
    required: true
  state:
    description:
      - Whether it is to be there.
    type: str
    choices:
      - present
      - absent
    default: present
  labels:
    description:
      - Labels, for filters and rules; all of them.
    type: dict
  provider:
    description:
      - Provider that realises it.
      - What changing it does to what runs with it, refused.
      - Needed when it is made.
    type: str
  sizes:
    description:
      - What one Compute takes.
      - What changing it does to what runs with it, refused.
      - Needed when it is made.
    type: dict
    suboptions:
      vcpus:
        description:
          - Virtual cpus.
          - What changing it does to what runs with it, restart.
        type: int
        required: true
      memory_mib:
        description:
          - Memory.
          - Unit MiB.
          - What changing it does to what runs with it, restart.
        type: int
        required: true
      disk_gib:
        description:
          - Root disk.
          - Unit GiB.
          - What changing it does to what runs with it, recreate.
        type: int
        required: true
      cpu_mode:
        description:
          - 'Shared: limited by cpu time; Pinned: cpus of its own.'
          - The server's default is Shared.
          - What changing it does to what runs with it, restart.
        type: str
        choices:
          - Shared
          - Pinned
      cpu_percent:
        description:
          - 'With cpu_mode Shared: the time of each virtual cpu, reserved and at most, in percent of a hardware
            thread.'
          - Unit %.
          - The server's default is 100.
          - What changing it does to what runs with it, restart.
        type: int
      huge_pages:
        description:
          - 'True: the memory is huge pages of the node.'
          - The server's default is False.
          - What changing it does to what runs with it, restart.
        type: bool
      disk_iops:
        description:
          - 'Reads and writes of all disks together, reserved and at most; 0: not reserved, what others leave.'
          - Unit 1/s.
          - The server's default is 0.
          - What changing it does to what runs with it, restart.
        type: int
      disk_mibps:
        description:
          - 'Throughput of all disks together, reserved and at most; 0: not reserved, what others leave.'
          - Unit MiB/s.
          - The server's default is 0.
          - What changing it does to what runs with it, restart.
        type: int
      network_mbps:
        description:
          - 'Throughput of all interfaces together, each way, reserved and at most; 0: not reserved, what others
            leave.'
          - Unit Mbit/s.
          - The server's default is 0.
          - What changing it does to what runs with it, restart.
        type: int
      machine_share:
        description:
          - 'Part: the sizes, with their limits; Cell: a whole NUMA cell; Machine: the whole node; both without
            limits.'
          - The server's default is Part.
          - What changing it does to what runs with it, restart.
        type: str
        choices:
          - Part
          - Cell
          - Machine
  description:
    description:
      - What it is for.
    type: str
"""

EXAMPLES = r"""
---
- name: Have a ResourceFlavor
  resource.infra.resource_flavor:
    name: small
    provider: libvirt
    sizes:
      vcpus: 1
      memory_mib: 256
      disk_gib: 1
- name: Remove it
  resource.infra.resource_flavor:
    name: small
    state: absent
"""

RETURN = r"""
---
resource:
  description: The ResourceFlavor after the task; before it in check mode, empty when there is none.
  returned: success
  type: dict
  sample:
    kind: ResourceFlavor
    name: small
    spec:
      provider: libvirt
      sizes:
        vcpus: 1
        memory_mib: 256
        disk_gib: 1
    status: Active
    resource_version: 42
unresolved:
  description: Names of what is not there yet; a real run is refused unless the play makes it first.
  returned: in check mode or with diff, when there are any
  type: list
  elements: dict
  sample:
    - path: datacenter
      message: there is no Datacenter tokyo
forecast:
  description: Where new Computes would be placed, as far as can be told now.
  returned: in check mode or with diff, for services
  type: dict
  sample:
    unknown: no cluster answers
problems:
  description: Each field at fault, with its document where there are several.
  returned: failure
  type: list
  elements: dict
  sample:
    - path: spec.units
      message: Input should be greater than 0
"""
