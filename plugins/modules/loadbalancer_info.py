#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: loadbalancer_info
short_description: Lists Loadbalancers
version_added: 0.1.0
description:
  - The Loadbalancer of a service; it has the service's name.
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
  region:
    description:
      - Name of the region.
    type: str
  name:
    description:
      - Name of the Loadbalancer.
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
- name: List Loadbalancers
  resource.infra.loadbalancer_info:
    region: kanto
  register: found
"""

RETURN = r"""
---
resources:
  description: The Loadbalancers that match.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: Loadbalancer
      name: web
      region: kanto
      spec:
        service: web
        cluster: tokyo1
        template:
          provider: memory-lb
          network: service
          listeners:
            - port: 80
      status: Active
      resource_version: 42
"""
