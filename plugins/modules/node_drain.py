#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_drain
short_description: Cordons a Node and moves its Computes to other nodes
version_added: 0.1.0
description:
  - Cordons a Node and moves its Computes to other nodes.
  - With O(wait) the task ends when the node is empty.
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
"""

EXAMPLES = r"""
---
- name: Cordons a Node and moves its Computes to other nodes
  resource.infra.node_drain:
    cluster: tokyo1
    name: floor-1-1-1-rack-1-1-server1
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
plan:
  description: The moves, and what blocks others.
  returned: in check mode
  type: dict
  sample:
    moves: []
    blocked: []
    message: ''
"""
