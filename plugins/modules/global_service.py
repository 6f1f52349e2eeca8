#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: global_service
short_description: Creates, changes and deletes a GlobalService
version_added: 0.1.0
description:
  - A name that leads to the nearest healthy RegionService.
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
      - Name of the GlobalService.
    type: str
    required: true
  project:
    description:
      - Project of the resource. Default is V(default).
    type: str
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
  domain:
    description:
      - Domain name of the record.
      - Required when the resource is created.
    type: str
  gslb:
    description:
      - 'False: members are noted, no record is served.'
      - The server's default is True.
    type: bool
  ttl:
    description:
      - How long resolvers may keep the answer.
      - Unit s.
      - The server's default is 30.
    type: int
  all_down:
    description:
      - Answer when no member is healthy.
      - The server's default is ReturnAll.
    type: str
    choices:
      - ReturnAll
      - Refuse
  members:
    description:
      - RegionServices, one per datacenter.
    type: list
    elements: dict
    suboptions:
      region:
        description:
          - Region of the service.
        type: str
        required: true
      service:
        description:
          - RegionService.
        type: str
        required: true
      weight:
        description:
          - Share of the answers.
          - The server's default is 100.
        type: int
  clear:
    description:
      - 'Fields that get their defaults again: without a value, empty, or what the server sets.'
      - For fields inside a map, give the map without them.
    type: list
    elements: str
    choices:
      - labels
      - gslb
      - ttl
      - all_down
      - members
"""

EXAMPLES = r"""
---
- name: Have a GlobalService
  resource.infra.global_service:
    name: web
    domain: web.example.com
    members:
      - region: kanto
        service: web
- name: Remove it
  resource.infra.global_service:
    name: web
    state: absent
"""

RETURN = r"""
---
resource:
  description: The GlobalService after the task (in check mode, before it). Empty when it does not exist.
  returned: success
  type: dict
  sample:
    kind: GlobalService
    name: web
    spec:
      domain: web.example.com
      members:
        - region: kanto
          service: web
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
