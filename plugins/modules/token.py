#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: token
short_description: Makes, changes and removes a Token
version_added: 0.1.0
description:
  - A bearer token. The secret is in the answer that makes it, and nowhere else.
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
  name:
    description:
      - Name of the Token.
    type: str
    required: true
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
  role:
    description:
      - What the bearer may do.
      - What changing it does to what runs with it, refused.
      - Needed when it is made.
    type: str
    choices:
      - admin
      - operator
      - viewer
  projects:
    description:
      - 'Projects that it is for; empty: all.'
      - What changing it does to what runs with it, refused.
    type: list
    elements: str
  expires_at:
    description:
      - 'When it ends; none: never.'
      - What changing it does to what runs with it, refused.
    type: str
  description:
    description:
      - Whose it is.
    type: str
"""

EXAMPLES = r"""
---
- name: Have a Token
  resource.infra.token:
    name: ci
    role: viewer
- name: Remove it
  resource.infra.token:
    name: ci
    state: absent
"""

RETURN = r"""
---
resource:
  description: The Token after the task; before it in check mode, empty when there is none.
  returned: success
  type: dict
  sample:
    kind: Token
    name: ci
    spec:
      role: viewer
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
