#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: image
short_description: Creates, changes and deletes a Image
version_added: 0.1.0
description:
  - An image for the root disks of Computes of the region.
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
  url:
    description:
      - URL that nodes fetch it from, without credentials.
      - Required when the resource is created.
    type: str
  format:
    description:
      - Disk format.
      - The server's default is qcow2.
      - Effect of a change on what runs with it, recreate.
    type: str
    choices:
      - qcow2
      - raw
  checksum:
    description:
      - Digest of the bytes.
      - Effect of a change on what runs with it, recreate.
      - Required when the resource is created.
    type: str
  kernel:
    description:
      - Kernel for direct boot, which is faster without KVM.
      - Effect of a change on what runs with it, recreate.
    type: dict
    suboptions:
      url:
        description:
          - URL that nodes fetch it from, without credentials.
        type: str
        required: true
      checksum:
        description:
          - Digest of the bytes.
          - Effect of a change on what runs with it, recreate.
        type: str
        required: true
  initrd:
    description:
      - Initial RAM disk, with ``kernel``.
      - Effect of a change on what runs with it, recreate.
    type: dict
    suboptions:
      url:
        description:
          - URL that nodes fetch it from, without credentials.
        type: str
        required: true
      checksum:
        description:
          - Digest of the bytes.
          - Effect of a change on what runs with it, recreate.
        type: str
        required: true
  cmdline:
    description:
      - Kernel command line, with ``kernel``.
      - Effect of a change on what runs with it, restart.
    type: str
  clear:
    description:
      - 'Fields that get their defaults again: without a value, empty, or what the server sets.'
      - For fields inside a map, give the map without them.
    type: list
    elements: str
    choices:
      - labels
      - format
      - kernel
      - initrd
      - cmdline
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
  description: The Image after the task (in check mode, before it). Empty when it does not exist.
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
