#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: network_v4
short_description: Creates, changes and deletes a NetworkV4
version_added: 0.1.0
description:
  - A network of service addresses. Nodes announce each used address individually.
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
      - Name of the NetworkV4.
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
  subnet:
    description:
      - Subnet of the addresses.
      - Effect of a change on what runs with it, refused.
      - Required when the resource is created.
    type: str
  gateway:
    description:
      - Gateway of the Computes, the same on every node.
      - Effect of a change on what runs with it, refused.
      - Required when the resource is created.
    type: str
  start_address:
    description:
      - First address of the pool.
      - Required when the resource is created.
    type: str
  end_address:
    description:
      - Last address of the pool.
      - Required when the resource is created.
    type: str
  clear:
    description:
      - 'Fields that get their defaults again: without a value, empty, or what the server sets.'
      - For fields inside a map, give the map without them.
    type: list
    elements: str
    choices:
      - labels
"""

EXAMPLES = r"""
---
- name: Have a NetworkV4
  resource.infra.network_v4:
    name: service
    cluster: tokyo1
    subnet: 172.16.10.0/24
    gateway: 172.16.10.1
    start_address: 172.16.10.10
    end_address: 172.16.10.250
- name: Remove it
  resource.infra.network_v4:
    name: service
    cluster: tokyo1
    state: absent
"""

RETURN = r"""
---
resource:
  description: The NetworkV4 after the task (in check mode, before it). Empty when it does not exist.
  returned: success
  type: dict
  sample:
    kind: NetworkV4
    name: service
    cluster: tokyo1
    spec:
      subnet: 172.16.10.0/24
      gateway: 172.16.10.1
      start_address: 172.16.10.10
      end_address: 172.16.10.250
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
