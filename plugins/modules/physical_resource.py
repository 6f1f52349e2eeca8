#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: physical_resource
short_description: Creates, changes and deletes a PhysicalResource
version_added: 0.1.0
description:
  - 'A device of the physical inventory: server, router, PDU, feed.'
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
      - Name of the PhysicalResource.
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
  role:
    description:
      - Role of the device.
      - Required when the resource is created.
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
      - Floor of the device, if it is not in a rack.
    type: str
  rack:
    description:
      - Rack of the device.
    type: str
  position:
    description:
      - Lowest height unit that the device takes in the rack, in steps of a half. All of its units must be in the
        rack, and no other device can have them.
      - Unit U.
    type: float
  face:
    description:
      - Face of the rack that the device is mounted at.
      - The server's default is front.
    type: str
    choices:
      - front
      - rear
  serial:
    description:
      - Serial number.
    type: str
  in_service_since:
    description:
      - First day of maintenance.
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
      secondary_addresses:
        description:
          - Further addresses of the port.
        type: list
        elements: dict
        suboptions:
          network:
            description:
              - Network of the address.
            type: str
          address:
            description:
              - IPv4 address.
            type: str
            required: true
      mac:
        description:
          - MAC address.
        type: str
  network_links:
    description:
      - Cables. Each cable is given once, at the end that is farther from the internet.
    type: list
    elements: dict
    suboptions:
      port:
        description:
          - Port of this device.
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
      split:
        description:
          - Whether the cable is an arm of a breakout cable. Only such cables can share a port.
          - The server's default is False.
        type: bool
  power_links:
    description:
      - Power cords.
    type: list
    elements: dict
    suboptions:
      inlet:
        description:
          - Inlet of this device.
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
      split:
        description:
          - Whether the cord is an arm of a splitter. Only such cords can share an inlet or an outlet.
          - The server's default is False.
        type: bool
  clear:
    description:
      - 'Fields that get their defaults again: without a value, empty, or what the server sets.'
      - For fields inside a map, give the map without them.
    type: list
    elements: str
    choices:
      - labels
      - model
      - floor
      - rack
      - position
      - face
      - serial
      - in_service_since
      - ports
      - network_links
      - power_links
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
  description: The PhysicalResource after the task (in check mode, before it). Empty when it does not exist.
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
