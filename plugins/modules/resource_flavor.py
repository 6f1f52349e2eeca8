#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: resource_flavor
short_description: Creates, changes and deletes a ResourceFlavor
version_added: 0.1.0
description:
  - A named size.
  - Fields that the task does not name do not change. A list or map that it names is replaced as a whole.
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
      - Whether the resource must exist.
    type: str
    choices:
      - present
      - absent
    default: present
  labels:
    description:
      - All labels of the resource, for filters and rules.
    type: dict
  provider:
    description:
      - Provider that runs the Computes.
      - Effect of a change on what runs with it, refused.
      - Required when the resource is created.
    type: str
  sizes:
    description:
      - Sizes of one Compute.
      - Effect of a change on what runs with it, refused.
      - Required when the resource is created.
    type: dict
    suboptions:
      vcpus:
        description:
          - Virtual cpus.
          - Effect of a change on what runs with it, restart.
        type: int
        required: true
      memory_mib:
        description:
          - Memory.
          - Unit MiB.
          - Effect of a change on what runs with it, restart.
        type: int
        required: true
      disk_gib:
        description:
          - Root disk.
          - Unit GiB.
          - Effect of a change on what runs with it, recreate.
        type: int
        required: true
      cpu_mode:
        description:
          - 'Shared: limited by cpu time; Pinned: exclusive cpus.'
          - The server's default is Shared.
          - Effect of a change on what runs with it, restart.
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
          - Effect of a change on what runs with it, restart.
        type: int
      huge_pages:
        description:
          - 'True: the memory consists of huge pages of the node.'
          - The server's default is False.
          - Effect of a change on what runs with it, restart.
        type: bool
      disk_iops:
        description:
          - 'Reads and writes of all disks together, reserved and at most; 0: not reserved, what others leave.'
          - Unit 1/s.
          - The server's default is 0.
          - Effect of a change on what runs with it, restart.
        type: int
      disk_mibps:
        description:
          - 'Throughput of all disks together, reserved and at most; 0: not reserved, what others leave.'
          - Unit MiB/s.
          - The server's default is 0.
          - Effect of a change on what runs with it, restart.
        type: int
      network_mbps:
        description:
          - 'Throughput of all interfaces together, each way, reserved and at most; 0: not reserved, what others
            leave.'
          - Unit Mbit/s.
          - The server's default is 0.
          - Effect of a change on what runs with it, restart.
        type: int
      machine_share:
        description:
          - 'Part: the sizes, with their limits; Cell: a whole NUMA cell; Machine: the whole node; both without
            limits.'
          - The server's default is Part.
          - Effect of a change on what runs with it, restart.
        type: str
        choices:
          - Part
          - Cell
          - Machine
  description:
    description:
      - Purpose.
    type: str
  clear:
    description:
      - 'Fields that get their defaults again: without a value, empty, or what the server sets.'
      - For fields inside a map, give the map without them.
    type: list
    elements: str
    choices:
      - labels
      - description
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
  description: The ResourceFlavor after the task (in check mode, before it). Empty when it does not exist.
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
