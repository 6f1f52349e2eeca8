#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cluster
short_description: Makes, changes and removes a Cluster
version_added: 0.1.0
description:
  - 'A cell of nodes: it keeps running when the root, or any other cluster, is gone.'
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
  name:
    description:
      - Name of the Cluster.
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
  region:
    description:
      - Region of the cluster.
      - What changing it does to what runs with it, refused.
      - Needed when it is made.
    type: str
  datacenter:
    description:
      - Datacenter that its nodes stand in.
      - What changing it does to what runs with it, refused.
      - Needed when it is made.
    type: str
  weight:
    description:
      - Clusters of a region are tried from the highest weight down; equal ones by free capacity (J9).
      - The server's default is 100.
    type: int
  endpoint:
    description:
      - 'Where the cluster API answers gRPC: ``host:port`` or ``unix:/path``.'
    type: str
  description:
    description:
      - What the cluster is for.
    type: str
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
  description: The Cluster after the task; before it in check mode, empty when there is none.
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
