#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: volume
short_description: Makes, changes and removes a Volume
version_added: 0.1.0
description:
  - An extra disk; its data goes with the volume, not with the Compute's revision.
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
  region:
    description:
      - Name of the region.
    type: str
    required: true
  name:
    description:
      - Name of the Volume.
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
  size_gib:
    description:
      - Size.
      - Unit GiB.
      - What changing it does to what runs with it, restart.
      - Needed when it is made.
    type: int
  attachment:
    description:
      - Compute that has it.
      - What changing it does to what runs with it, refused.
      - Needed when it is made.
    type: dict
    suboptions:
      service:
        description:
          - RegionService of the Compute.
          - What changing it does to what runs with it, refused.
        type: str
        required: true
      index:
        description:
          - Index of the Compute in its service.
          - What changing it does to what runs with it, refused.
        type: int
        required: true
"""

EXAMPLES = r"""
---
- name: Have a Volume
  resource.infra.volume:
    name: web-data
    region: kanto
    size_gib: 10
    attachment:
      service: web
      index: 0
- name: Remove it
  resource.infra.volume:
    name: web-data
    region: kanto
    state: absent
"""

RETURN = r"""
---
resource:
  description: The Volume after the task; before it in check mode, empty when there is none.
  returned: success
  type: dict
  sample:
    kind: Volume
    name: web-data
    region: kanto
    spec:
      size_gib: 10
      attachment:
        service: web
        index: 0
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
