#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: volume
short_description: Creates, changes and deletes a Volume
version_added: 0.1.0
description:
  - An extra disk. Its data belongs to the volume, and outlives revisions of the Compute.
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
  size_gib:
    description:
      - Size.
      - Unit GiB.
      - Effect of a change on what runs with it, restart.
      - Required when the resource is created.
    type: int
  attachment:
    description:
      - Compute of the volume.
      - Effect of a change on what runs with it, refused.
      - Required when the resource is created.
    type: dict
    suboptions:
      service:
        description:
          - RegionService of the Compute.
          - Effect of a change on what runs with it, refused.
        type: str
        required: true
      index:
        description:
          - Index of the Compute in its service.
          - Effect of a change on what runs with it, refused.
        type: int
        required: true
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
  description: The Volume after the task (in check mode, before it). Empty when it does not exist.
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
