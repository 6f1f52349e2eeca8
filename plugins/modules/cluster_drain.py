#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cluster_drain
short_description: Cordons several Nodes of a Cluster and moves their Computes to other nodes
version_added: 0.1.0
description:
  - Cordons several Nodes of a Cluster and moves their Computes to other nodes.
  - All nodes are written in one transaction, and none moves its Computes to another of them. With O(wait) the task
    ends when all of them are empty.
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
      - Name of the Cluster.
    type: str
    required: true
  nodes:
    description:
      - Names of nodes of the cluster.
    type: list
    elements: str
  rack:
    description:
      - Rack of which all nodes are meant, too. O(nodes) or O(rack) is required.
    type: str
"""

EXAMPLES = r"""
---
- name: Cordons several Nodes of a Cluster and moves their Computes to other nodes
  resource.infra.cluster_drain:
    name: tokyo1
    rack: floor-1-1-1-rack-1-1
"""

RETURN = r"""
---
resource:
  description: The Cluster after the task (in check mode, before it). Empty when it does not exist.
  returned: success
  type: dict
  sample:
    kind: Cluster
    name: tokyo1
    spec:
      region: kanto
      datacenter: tokyo
      weight: 100
      endpoint: 127.0.0.1:7443
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
nodes:
  description: The nodes that the task changes.
  returned: success
  type: list
  elements: str
  sample:
    - floor-1-1-1-rack-1-1-server1
"""
