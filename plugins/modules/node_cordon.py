#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_cordon
short_description: Takes a Node out of placement
version_added: 0.1.0
description:
  - Takes a Node out of placement.
  - Nothing new comes to it, nothing moves. It stays so when a drain is called off.
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
- name: Takes a Node out of placement
  resource.infra.node_cordon:
    cluster: tokyo1
    name: floor-1-1-1-rack-1-1-server1
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
