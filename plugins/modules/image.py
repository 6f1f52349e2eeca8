#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: image
short_description: Makes, changes and removes a Image
version_added: 0.1.0
description:
  - An image that Computes of the region can be made from.
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
  region:
    description:
      - Name of the region.
    type: str
    required: true
  name:
    description:
      - Name of the Image.
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
  url:
    description:
      - Where nodes fetch it.
      - What changing it does to what runs with it, recreate.
      - Needed when it is made.
    type: str
  format:
    description:
      - Disk format.
      - The server's default is qcow2.
      - What changing it does to what runs with it, recreate.
    type: str
    choices:
      - qcow2
      - raw
  checksum:
    description:
      - Digest of the bytes.
      - What changing it does to what runs with it, recreate.
      - Needed when it is made.
    type: str
  kernel:
    description:
      - 'Kernel for direct boot: the quick path without KVM.'
      - What changing it does to what runs with it, recreate.
    type: dict
    suboptions:
      url:
        description:
          - Where nodes fetch it.
          - What changing it does to what runs with it, recreate.
        type: str
        required: true
      checksum:
        description:
          - Digest of the bytes.
          - What changing it does to what runs with it, recreate.
        type: str
        required: true
  initrd:
    description:
      - Initial RAM disk, with ``kernel``.
      - What changing it does to what runs with it, recreate.
    type: dict
    suboptions:
      url:
        description:
          - Where nodes fetch it.
          - What changing it does to what runs with it, recreate.
        type: str
        required: true
      checksum:
        description:
          - Digest of the bytes.
          - What changing it does to what runs with it, recreate.
        type: str
        required: true
  cmdline:
    description:
      - Kernel command line, with ``kernel``.
      - What changing it does to what runs with it, restart.
    type: str
"""

EXAMPLES = r"""
---
- name: Have a Image
  resource.infra.image:
    name: guest
    region: kanto
    url: https://images.example.com/guest.qcow2
    format: qcow2
    checksum: sha256:0000000000000000000000000000000000000000000000000000000000000000
- name: Remove it
  resource.infra.image:
    name: guest
    region: kanto
    state: absent
"""

RETURN = r"""
---
resource:
  description: The Image after the task; before it in check mode, empty when there is none.
  returned: success
  type: dict
  sample:
    kind: Image
    name: guest
    region: kanto
    spec:
      url: https://images.example.com/guest.qcow2
      format: qcow2
      checksum: sha256:0000000000000000000000000000000000000000000000000000000000000000
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
