#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: security_group
short_description: Creates, changes and deletes a SecurityGroup
version_added: 0.1.0
description:
  - Rules for connections to the Computes of the services that name it.
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
  name:
    description:
      - Name of the SecurityGroup.
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
  ingress:
    description:
      - Connections that are accepted.
    type: list
    elements: dict
    suboptions:
      protocol:
        description:
          - 'Protocol; Any: all of IPv4.'
          - The server's default is TCP.
        type: str
        choices:
          - TCP
          - UDP
          - ICMP
          - Any
      port:
        description:
          - 'Port of TCP or UDP, or the first of a range; none: all ports.'
        type: int
      end_port:
        description:
          - 'Last port of a range; none: only `port`.'
        type: int
      network:
        description:
          - 'Source: the addresses of a network; 0.0.0.0/0: all.'
        type: str
      group:
        description:
          - 'Source: the Computes of all services that name this SecurityGroup, of the same project.'
        type: str
      project:
        description:
          - 'Source: all Computes of this project. Whether the project exists is not shown.'
        type: str
  clear:
    description:
      - 'Fields that get their defaults again: without a value, empty, or what the server sets.'
      - For fields inside a map, give the map without them.
    type: list
    elements: str
    choices:
      - labels
      - ingress
"""

EXAMPLES = r"""
---
- name: Have a SecurityGroup
  resource.infra.security_group:
    name: web
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
- name: Remove it
  resource.infra.security_group:
    name: web
    state: absent
"""

RETURN = r"""
---
resource:
  description: The SecurityGroup after the task (in check mode, before it). Empty when it does not exist.
  returned: success
  type: dict
  sample:
    kind: SecurityGroup
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
