#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: apply
short_description: Makes many documents so, all or nothing
version_added: 0.1.0
description:
  - Sends all documents in one request, which is one transaction. When one is refused nothing is written.
  - Parents and children may come in any order.
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
  documents:
    description:
      - Documents, as C(resourcectl apply) takes them; each says all that is asked of it.
    type: list
    elements: dict
  src:
    description:
      - Files of documents (YAML or JSON), or folders of them.
    type: list
    elements: path
  state:
    description:
      - Whether they are to be there.
    type: str
    choices:
      - present
      - absent
    default: present
  purge:
    description:
      - Also remove what matches O(labels) and is not among the documents.
      - One of the selectors must say what a resource has; what it has not is not enough.
      - Projects and tokens are never removed by it.
    type: bool
    default: false
  labels:
    description:
      - Label selectors that say what O(purge) may remove, all of which must match.
    type: list
    elements: str
"""

EXAMPLES = r"""
---
- name: Have a site
  resource.infra.apply:
    src:
      - examples/tokyo
- name: Have these racks of the label, and no others
  resource.infra.apply:
    documents:
      - kind: Rack
        name: floor-1-1-1-rack-1-1
        datacenter: tokyo
        spec:
          floor: floor-1-1-1
          row: 1
          column: 1
    purge: true
    labels:
      - made-by=ansible
"""

RETURN = r"""
---
counts:
  description: How many documents were, or in check mode would be, of each action.
  returned: success
  type: dict
  sample:
    create: 2
    unchanged: 40
results:
  description: What became of each document. The secret of a new token is among it, this once.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: Region
      key: kanto
      action: create
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
