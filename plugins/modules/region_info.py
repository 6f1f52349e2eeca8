#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: region_info
short_description: Lists Regions
version_added: 0.1.0
description:
  - The unit that users are aware of, and the unit of closing (M4).
  - A parent that is not named stands for all of them.
author:
  - Resource Service (@resource-service)
extends_documentation_fragment:
  - resource.infra.api
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  name:
    description:
      - Name of the Region.
    type: str
  labels:
    description:
      - 'Only what matches all of these: C(key), C(!key), C(key=value) or C(key!=value).'
    type: list
    elements: str
  fields:
    description:
      - Only what has these values, by the path of the field, such as C(spec.rack) or C(status).
    type: dict
"""

EXAMPLES = r"""
---
- name: List Regions
  resource.infra.region_info: null
  register: found
"""

RETURN = r"""
---
resources:
  description: The Regions that match.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: Region
      name: kanto
      spec:
        description: East Japan
      status: Active
      resource_version: 42
"""
