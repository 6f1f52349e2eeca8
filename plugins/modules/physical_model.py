#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: physical_model
short_description: Creates, changes and deletes a PhysicalModel
version_added: 0.1.0
description:
  - A model of equipment.
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
      - Name of the PhysicalModel.
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
  vendor:
    description:
      - Manufacturer.
    type: str
  role:
    description:
      - Role of devices of the model.
      - The server's default is Server.
    type: str
    choices:
      - GatewayRouter
      - FloorSpineRouter
      - FloorLeafRouter
      - RackSpineRouter
      - RackLeafRouter
      - Server
      - Pdu
      - PowerFeed
      - Other
  height_units:
    description:
      - Height, in steps of a half. Devices of height 0 take no unit of a rack.
      - Unit U.
      - The server's default is 1.
    type: float
  full_depth:
    description:
      - Whether a device takes both faces of its units. Two devices without full depth can share a unit, one at
        each face.
      - The server's default is True.
    type: bool
  cpus:
    description:
      - Hardware threads.
      - The server's default is 0.
    type: int
  memory_mib:
    description:
      - Memory.
      - Unit MiB.
      - The server's default is 0.
    type: int
  disk_gib:
    description:
      - Disk.
      - Unit GiB.
      - The server's default is 0.
    type: int
  maintenance_years:
    description:
      - Duration of the maintenance contract.
      - Unit years.
      - The server's default is 5.
    type: int
  clear:
    description:
      - 'Fields that get their defaults again: without a value, empty, or what the server sets.'
      - For fields inside a map, give the map without them.
    type: list
    elements: str
    choices:
      - labels
      - vendor
      - role
      - height_units
      - full_depth
      - cpus
      - memory_mib
      - disk_gib
      - maintenance_years
"""

EXAMPLES = r"""
---
- name: Have a PhysicalModel
  resource.infra.physical_model:
    name: server-1u
    role: Server
    height_units: 1
- name: Remove it
  resource.infra.physical_model:
    name: server-1u
    state: absent
"""

RETURN = r"""
---
resource:
  description: The PhysicalModel after the task (in check mode, before it). Empty when it does not exist.
  returned: success
  type: dict
  sample:
    kind: PhysicalModel
    name: server-1u
    spec:
      role: Server
      height_units: 1
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
