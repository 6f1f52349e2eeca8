#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: global_service
short_description: Makes, changes and removes a GlobalService
version_added: 0.1.0
description:
  - A name that leads to the nearest healthy RegionService.
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
      - Name of the GlobalService.
    type: str
    required: true
  project:
    description:
      - The project that it belongs to; V(default) when not given.
    type: str
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
  domain:
    description:
      - Domain name of the record.
      - Needed when it is made.
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
  description: The GlobalService after the task; before it in check mode, empty when there is none.
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
