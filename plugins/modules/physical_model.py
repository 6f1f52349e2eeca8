#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: physical_model
short_description: Makes, changes and removes a PhysicalModel
version_added: 0.1.0
description:
  - A model of equipment.
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
      - Name of the PhysicalModel.
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
  vendor:
    description:
      - Maker.
    type: str
  role:
    description:
      - What machines of the model are.
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
      - Height.
      - Unit U.
      - The server's default is 1.
    type: int
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
      - Term of maintenance (M5).
      - Unit years.
      - The server's default is 5.
    type: int
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
  description: The PhysicalModel after the task; before it in check mode, empty when there is none.
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
