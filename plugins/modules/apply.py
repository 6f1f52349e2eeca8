#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: apply
short_description: Writes or deletes many documents, all or none
version_added: 0.1.0
description:
  - Sends all documents in one request, which is one transaction. When one is refused, nothing is written.
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
      - Documents, as C(resourcectl apply) accepts them. Each is the whole desired state of its resource.
    type: list
    elements: dict
  src:
    description:
      - Files of documents (YAML or JSON), or folders of such files.
    type: list
    elements: path
  state:
    description:
      - Whether the resources must exist.
    type: str
    choices:
      - present
      - absent
    default: present
  purge:
    description:
      - Also delete resources that match O(labels) and are not among the documents.
      - At least one of the selectors must require a label. Selectors that only exclude labels are refused.
      - It never deletes projects and tokens.
    type: bool
    default: false
  purge_limit:
    description:
      - The largest share of the resources that match O(labels) that O(purge) may delete, in percent.
      - A task that would delete more writes nothing and fails, so that an empty or cut list of documents does not
        delete a site.
      - With V(100) it may delete all of them.
    type: int
    default: 50
  labels:
    description:
      - Label selectors of the resources that O(purge) may delete. All of them must match.
    type: list
    elements: str
"""

EXAMPLES = r"""
---
- name: Have a site
  resource.infra.apply:
    src:
      - examples/tokyo
- name: Create these racks, and delete all others with the label
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
  description: The result of each document. The secret of a new token is shown only here.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: Region
      key: kanto
      action: create
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
