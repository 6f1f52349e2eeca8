#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node
short_description: Creates, changes and deletes a Node
version_added: 0.1.0
description:
  - A hypervisor.
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
  cluster:
    description:
      - Name of the cluster.
    type: str
    required: true
  name:
    description:
      - Name of the Node.
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
  physical_resource:
    description:
      - Physical resource of the node, in the cluster's datacenter; it determines the rack and the failure domains.
    type: str
  region_availability_zone:
    description:
      - Availability zone of the region.
    type: str
  network_availability_zone:
    description:
      - Network zone of the cluster.
    type: str
  node_availability_zone:
    description:
      - Node zone of the cluster.
    type: str
  power_domain:
    description:
      - 'Power domain; none: computed from the power links.'
    type: str
  network_domain:
    description:
      - 'Network domain; none: computed from the network links.'
    type: str
  providers:
    description:
      - Providers that the node offers.
    type: list
    elements: str
  schedulable:
    description:
      - 'False: cordoned; no new resources are placed on the node.'
      - The server's default is True.
    type: bool
  drain:
    description:
      - 'True: all resources are to be moved away (set by DrainNode).'
      - The server's default is False.
    type: bool
  cordoned_by:
    description:
      - Who cordoned the node (set by CordonNode and DrainNode). A cancelled drain uncordons what it cordoned itself.
    type: str
    choices:
      - Operator
      - Drain
  enable_auto_cordon:
    description:
      - 'True: the node is cordoned automatically if it is unhealthy.'
      - The server's default is False.
    type: bool
  auto_cordon_interval:
    description:
      - Time that the node is unhealthy before the cordon.
      - Unit s.
      - The server's default is 300.
    type: int
  enable_auto_drain:
    description:
      - 'True: the node is drained automatically after an automatic cordon.'
      - The server's default is False.
    type: bool
  auto_drain_interval:
    description:
      - Time between the cordon and the drain.
      - Unit s.
      - The server's default is 600.
    type: int
  enable_alert:
    description:
      - 'True: alerts are sent for the node.'
      - The server's default is True.
    type: bool
  clear:
    description:
      - 'Fields that get their defaults again: without a value, empty, or what the server sets.'
      - For fields inside a map, give the map without them.
    type: list
    elements: str
    choices:
      - labels
      - physical_resource
      - region_availability_zone
      - network_availability_zone
      - node_availability_zone
      - power_domain
      - network_domain
      - providers
      - schedulable
      - drain
      - cordoned_by
      - enable_auto_cordon
      - auto_cordon_interval
      - enable_auto_drain
      - auto_drain_interval
      - enable_alert
"""

EXAMPLES = r"""
---
- name: Have a Node
  resource.infra.node:
    name: floor-1-1-1-rack-1-1-server1
    cluster: tokyo1
    physical_resource: floor-1-1-1-rack-1-1-server1
    providers:
      - libvirt
- name: Remove it
  resource.infra.node:
    name: floor-1-1-1-rack-1-1-server1
    cluster: tokyo1
    state: absent
"""

RETURN = r"""
---
resource:
  description: The Node after the task (in check mode, before it). Empty when it does not exist.
  returned: success
  type: dict
  sample:
    kind: Node
    name: floor-1-1-1-rack-1-1-server1
    cluster: tokyo1
    spec:
      physical_resource: floor-1-1-1-rack-1-1-server1
      providers:
        - libvirt
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
