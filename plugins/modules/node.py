#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node
short_description: Makes, changes and removes a Node
version_added: 0.1.0
description:
  - A hypervisor.
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
  physical_resource:
    description:
      - Physical resource that it is, in the cluster's datacenter; rack and failure domains come from it.
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
      - Power domain, when it is not to be computed from the power links.
    type: str
  network_domain:
    description:
      - Network domain, when it is not to be computed from the network links.
    type: str
  providers:
    description:
      - Providers that the node offers.
    type: list
    elements: str
  schedulable:
    description:
      - 'False: cordoned, nothing new comes here.'
      - The server's default is True.
    type: bool
  drain:
    description:
      - 'True: everything is to leave (set by DrainNode).'
      - The server's default is False.
    type: bool
  cordoned_by:
    description:
      - 'What cordoned it (set by CordonNode and DrainNode): a drain that is called off opens only what it closed.'
    type: str
    choices:
      - Operator
      - Drain
  enable_auto_cordon:
    description:
      - Cordon by itself when unhealthy.
      - The server's default is False.
    type: bool
  auto_cordon_interval:
    description:
      - How long unhealthy before the cordon.
      - Unit s.
      - The server's default is 300.
    type: int
  enable_auto_drain:
    description:
      - Drain by itself after an automatic cordon.
      - The server's default is False.
    type: bool
  auto_drain_interval:
    description:
      - How long after the cordon before the drain.
      - Unit s.
      - The server's default is 600.
    type: int
  enable_alert:
    description:
      - Fire alerts for the node.
      - The server's default is True.
    type: bool
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
  description: The Node after the task; before it in check mode, empty when there is none.
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
