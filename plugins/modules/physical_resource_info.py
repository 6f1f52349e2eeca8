#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: physical_resource_info
short_description: Lists PhysicalResources
version_added: 0.1.0
description:
  - 'A device of the physical inventory: server, router, PDU, feed.'
  - Without a name of a parent, the resources of all parents are listed.
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
  datacenter:
    description:
      - Name of the datacenter.
    type: str
  name:
    description:
      - Name of the PhysicalResource.
    type: str
  labels:
    description:
      - 'Only resources that match all of these: C(key), C(!key), C(key=value) or C(key!=value).'
    type: list
    elements: str
  fields:
    description:
      - Only resources with these values, by the path of the field, such as C(spec.rack) or C(status).
    type: dict
"""

EXAMPLES = r"""
---
- name: List PhysicalResources
  resource.infra.physical_resource_info:
    datacenter: tokyo
  register: found
"""

RETURN = r"""
---
resources:
  description: The PhysicalResources that match.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: PhysicalResource
      name: floor-1-1-1-rack-1-1-server1
      datacenter: tokyo
      spec:
        role: Server
        rack: floor-1-1-1-rack-1-1
        position: 10
      status: Active
      resource_version: 42
"""
