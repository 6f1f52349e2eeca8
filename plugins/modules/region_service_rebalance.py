#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: region_service_rebalance
short_description: Spreads the Computes of a RegionService again as its rules require
version_added: 0.1.0
description:
  - Spreads the Computes of a RegionService again as its rules require.
  - Only moves that improve the spread are requested. While moves that were requested before are not completed,
    the task fails. With O(wait) it ends when all moves have ended; those that failed are warnings.
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
      - Name of the RegionService.
    type: str
    required: true
  project:
    description:
      - Project of the resource. Default is V(default).
    type: str
  max_moves:
    description:
      - Most moves. Default is as many as are needed.
    type: int
  at_once:
    description:
      - Most moves at the same time. Default is 1.
    type: int
"""

EXAMPLES = r"""
---
- name: Spreads the Computes of a RegionService again as its rules require
  resource.infra.region_service_rebalance:
    region: kanto
    name: web
    max_moves: 5
"""

RETURN = r"""
---
resource:
  description: The RegionService after the task (in check mode, before it). Empty when it does not exist.
  returned: success
  type: dict
  sample:
    kind: RegionService
    name: web
    region: kanto
    spec:
      replicas: 3
      compute:
        flavor: small
        image: guest
        schedule_policy:
          rules:
            - axis: power
              mode: AntiAffinity
            - axis: rack
              mode: AntiAffinity
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
  returned: success
  type: dict
  sample:
    moves: []
    blocked: []
    message: ''
"""
