#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cluster
short_description: Creates, changes and deletes a Cluster
version_added: 0.1.0
description:
  - A cell of nodes. It keeps running while the root or another cluster is unreachable.
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
  name:
    description:
      - Name of the Cluster.
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
  region:
    description:
      - Region of the cluster.
      - Effect of a change on what runs with it, refused.
      - Required when the resource is created.
    type: str
  datacenter:
    description:
      - Datacenter of its nodes.
      - Effect of a change on what runs with it, refused.
      - Required when the resource is created.
    type: str
  weight:
    description:
      - Clusters of a region are tried in order of weight, highest first; equal weights by free capacity.
      - The server's default is 100.
    type: int
  endpoint:
    description:
      - 'gRPC address of the cluster API: ``host:port`` or ``unix:/path``.'
    type: str
  description:
    description:
      - Purpose of the cluster.
    type: str
  clear:
    description:
      - 'Fields that get their defaults again: without a value, empty, or what the server sets.'
      - For fields inside a map, give the map without them.
    type: list
    elements: str
    choices:
      - labels
      - weight
      - endpoint
      - description
"""

EXAMPLES = r"""
---
- name: Have a Cluster
  resource.infra.cluster:
    name: tokyo1
    region: kanto
    datacenter: tokyo
    weight: 100
    endpoint: 127.0.0.1:7443
- name: Remove it
  resource.infra.cluster:
    name: tokyo1
    state: absent
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
"""
