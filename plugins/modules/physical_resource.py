#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: physical_resource
short_description: Makes, changes and removes a PhysicalResource
version_added: 0.1.0
description:
  - 'One thing of the physical inventory: server, router, PDU, feed.'
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
  datacenter:
    description:
      - Name of the datacenter.
    type: str
    required: true
  name:
    description:
      - Name of the PhysicalResource.
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
  role:
    description:
      - What it is.
      - Needed when it is made.
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
  model:
    description:
      - Model of the equipment.
    type: str
  floor:
    description:
      - Floor that it stands on, when not in a rack.
    type: str
  rack:
    description:
      - Rack that it is in.
    type: str
  position:
    description:
      - Lowest height unit that it takes in the rack.
      - Unit U.
    type: int
  serial:
    description:
      - Serial number.
    type: str
  in_service_since:
    description:
      - First day of maintenance (M5).
    type: str
  ports:
    description:
      - Ports.
    type: list
    elements: dict
    suboptions:
      name:
        description:
          - Name of the port on its device.
        type: str
        required: true
      network:
        description:
          - Network that the port is in.
        type: str
      address:
        description:
          - IPv4 address.
        type: str
      mac:
        description:
          - MAC address.
        type: str
  network_links:
    description:
      - Cables, each given once, at the end farther from the internet.
    type: list
    elements: dict
    suboptions:
      port:
        description:
          - Our port.
        type: str
        required: true
      peer:
        description:
          - Device at the other end.
        type: str
        required: true
      peer_port:
        description:
          - Port of the peer.
        type: str
  power_links:
    description:
      - Power cords.
    type: list
    elements: dict
    suboptions:
      inlet:
        description:
          - Our inlet.
        type: str
        required: true
      source:
        description:
          - PDU or feed that powers the inlet.
        type: str
        required: true
      outlet:
        description:
          - Outlet of the source.
        type: str
"""

EXAMPLES = r"""
---
- name: Have a PhysicalResource
  resource.infra.physical_resource:
    name: floor-1-1-1-rack-1-1-server1
    datacenter: tokyo
    role: Server
    rack: floor-1-1-1-rack-1-1
    position: 10
- name: Remove it
  resource.infra.physical_resource:
    name: floor-1-1-1-rack-1-1-server1
    datacenter: tokyo
    state: absent
"""

RETURN = r"""
---
resource:
  description: The PhysicalResource after the task; before it in check mode, empty when there is none.
  returned: success
  type: dict
  sample:
    kind: PhysicalResource
    name: floor-1-1-1-rack-1-1-server1
    datacenter: tokyo
    spec:
      role: Server
      rack: floor-1-1-1-rack-1-1
      position: 10
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
