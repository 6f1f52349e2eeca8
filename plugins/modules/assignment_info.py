#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: assignment_info
short_description: Lists Assignments
version_added: 0.1.0
description:
  - A resource on a node (read-only).
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
  cluster:
    description:
      - Name of the cluster.
    type: str
  name:
    description:
      - Name of the Assignment.
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
- name: List Assignments
  resource.infra.assignment_info:
    cluster: tokyo1
  register: found
"""

RETURN = r"""
---
resources:
  description: The Assignments that match.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: Assignment
      name: 0198c0ffee-1
      cluster: tokyo1
      spec:
        resource_kind: Compute
        resource: default/kanto/web-0
        resource_uid: 0198c0ffee
        node: floor-1-1-1-rack-1-1-server1
      status: Active
      resource_version: 42
"""
