#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rack
short_description: Creates, changes and deletes a Rack
version_added: 0.1.0
description:
  - 'A rack: the failure domain of a PDU or a pair of leaf routers.'
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
  datacenter:
    description:
      - Name of the datacenter.
    type: str
    required: true
  name:
    description:
      - Name of the Rack.
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
  floor:
    description:
      - Floor of the rack.
      - Required when the resource is created.
    type: str
  row:
    description:
      - Row on the floor.
      - The server's default is 1.
    type: int
  column:
    description:
      - Position in the row.
      - The server's default is 1.
    type: int
  height_units:
    description:
      - Height. A rack cannot become lower than the devices in it need.
      - Unit U.
      - The server's default is 42.
    type: int
  pair:
    description:
      - Rack whose leaf routers are also connected to the servers of this rack, not the rack itself. Of two racks
        that are paired with each other, the one that stays loses its pair when the other one is deleted.
    type: str
  clear:
    description:
      - 'Fields that get their defaults again: without a value, empty, or what the server sets.'
      - For fields inside a map, give the map without them.
    type: list
    elements: str
    choices:
      - labels
      - row
      - column
      - height_units
      - pair
"""

EXAMPLES = r"""
---
- name: Have a Rack
  resource.infra.rack:
    name: floor-1-1-1-rack-1-1
    datacenter: tokyo
    floor: floor-1-1-1
    row: 1
    column: 1
- name: Remove it
  resource.infra.rack:
    name: floor-1-1-1-rack-1-1
    datacenter: tokyo
    state: absent
"""

RETURN = r"""
---
resource:
  description: The Rack after the task (in check mode, before it). Empty when it does not exist.
  returned: success
  type: dict
  sample:
    kind: Rack
    name: floor-1-1-1-rack-1-1
    datacenter: tokyo
    spec:
      floor: floor-1-1-1
      row: 1
      column: 1
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
