#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: security_group_info
short_description: Lists SecurityGroups
version_added: 0.1.0
description:
  - Rules for connections to the Computes of the services that name it.
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
  name:
    description:
      - Name of the SecurityGroup.
    type: str
  project:
    description:
      - Only of this project.
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
- name: List SecurityGroups
  resource.infra.security_group_info: null
  register: found
"""

RETURN = r"""
---
resources:
  description: The SecurityGroups that match.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: SecurityGroup
      name: web
      spec:
        ingress:
          - protocol: TCP
            port: 80
            network: 0.0.0.0/0
          - protocol: TCP
            port: 8000
            end_port: 8100
            group: web
          - protocol: ICMP
            network: 192.0.2.0/24
      status: Active
      resource_version: 42
"""
