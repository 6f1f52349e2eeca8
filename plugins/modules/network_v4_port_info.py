#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: network_v4_port_info
short_description: Lists NetworkV4Ports
version_added: 0.1.0
description:
  - An allocated address. The root controller allocates and frees it (read-only).
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
  network:
    description:
      - Name of the network.
    type: str
  name:
    description:
      - Name of the NetworkV4Port.
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
- name: List NetworkV4Ports
  resource.infra.network_v4_port_info:
    cluster: tokyo1
    network: service
  register: found
"""

RETURN = r"""
---
resources:
  description: The NetworkV4Ports that match.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: NetworkV4Port
      name: 172-16-10-10
      cluster: tokyo1
      network: service
      spec:
        address: 172.16.10.10
        mac: 52:54:ac:10:0a:0a
        owner_kind: Compute
        owner: default/kanto/web-0
      status: Active
      resource_version: 42
"""
