#!/usr/bin/python
# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.

from __future__ import annotations

DOCUMENTATION = r"""
---
module: region_service
short_description: Creates, changes and deletes a RegionService
version_added: 0.1.0
description:
  - A service of one region, with Computes and at most one Loadbalancer.
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
      - Name of the RegionService.
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
  max_revision_history:
    description:
      - Number of old revisions to store.
    type: int
  replicas:
    description:
      - Computes of the service. To have none, delete the service.
      - Required when the resource is created.
    type: int
  compute:
    description:
      - Template of the Computes.
      - Required when the resource is created.
    type: dict
    suboptions:
      flavor:
        description:
          - Flavor.
          - Effect of a change on what runs with it, restart.
        type: str
        required: true
      image:
        description:
          - Image of the service's region.
          - Effect of a change on what runs with it, recreate.
        type: str
        required: true
      schedule_policy:
        description:
          - Where the Computes may run; it must have a rule for the power axis.
        type: dict
        suboptions:
          cluster_filters:
            description:
              - Clusters that may be chosen.
            type: list
            elements: str
          cluster_label_filters:
            description:
              - Labels that the cluster must have.
            type: dict
          node_filters:
            description:
              - Nodes that may be chosen.
            type: list
            elements: str
          node_label_filters:
            description:
              - Labels that the node must have.
            type: dict
          node_label_soft_anti_affinities:
            description:
              - Labels over whose values to spread as far as possible.
            type: list
            elements: str
          node_label_soft_affinities:
            description:
              - Labels in one of whose values to gather as far as possible.
            type: list
            elements: str
          node_label_hard_anti_affinities:
            description:
              - Labels over whose values to spread always.
            type: list
            elements: str
          node_label_hard_affinities:
            description:
              - Labels in one of whose values to gather always.
            type: list
            elements: str
          rules:
            description:
              - Rules over zones and labels. One over the power axis must be chosen.
            type: list
            elements: dict
            suboptions:
              axis:
                description:
                  - Zone (datacenter, power, rack, network, node) or a node label.
                type: str
                required: true
              mode:
                description:
                  - Gather or spread.
                type: str
                choices:
                  - Affinity
                  - AntiAffinity
                required: true
              hard:
                description:
                  - 'True: a node that breaks the rule is never taken. False: it is only taken last.'
                  - The server's default is False.
                type: bool
              value:
                description:
                  - 'With Affinity: the one domain to gather in.'
                type: str
        required: true
      network_policy:
        description:
          - Interfaces.
          - 'The server''s default is {''interfaces'': 1, ''assign_policy'': ''Affinity'', ''static_networks'':
            []}.'
        type: dict
        suboptions:
          interfaces:
            description:
              - Interfaces of each Compute.
              - The server's default is 1.
              - Effect of a change on what runs with it, refused.
            type: int
          assign_policy:
            description:
              - 'Affinity: all interfaces on one network; AntiAffinity: round robin over them. Existing Computes
                keep theirs.'
              - The server's default is Affinity.
            type: str
            choices:
              - Affinity
              - AntiAffinity
          static_networks:
            description:
              - 'Networks that may be used, in order; empty: every network of the cluster, by name. Existing Computes
                keep theirs.'
            type: list
            elements: str
      disks:
        description:
          - Extra disks of each Compute.
          - Effect of a change on what runs with it, restart.
        type: list
        elements: dict
        suboptions:
          name:
            description:
              - Name of the disk, unique in the Compute. Its first 20 characters, the serial number in the guest,
                are too.
              - Effect of a change on what runs with it, restart.
            type: str
            required: true
          size_gib:
            description:
              - Size.
              - Unit GiB.
              - Effect of a change on what runs with it, restart.
            type: int
            required: true
      ssh_keys:
        description:
          - SSH public keys.
          - Effect of a change on what runs with it, recreate.
        type: list
        elements: str
      user_data:
        description:
          - User data for the ConfigDrive. Tokens that may not write the resource read it as `(secret)`.
          - Effect of a change on what runs with it, recreate.
        type: str
      shutdown_timeout:
        description:
          - Time for an ACPI shutdown before the power is cut.
          - Unit s.
          - The server's default is 60.
        type: int
      on_node_down:
        description:
          - Action when a node is lost.
          - The server's default is None.
        type: str
        choices:
          - None
          - Rebuild
      on_node_up:
        description:
          - Action when a lost node is back.
          - The server's default is Restart.
        type: str
        choices:
          - None
          - Restart
  loadbalancer:
    description:
      - 'Loadbalancer with a VIP; none: no VIP.'
    type: dict
    suboptions:
      provider:
        description:
          - Provider of kind Loadbalancer.
        type: str
        required: true
      network:
        description:
          - Network that the VIP comes from.
          - Effect of a change on what runs with it, refused.
        type: str
        required: true
      replicas:
        description:
          - Instances of the Loadbalancer.
          - The server's default is 1.
        type: int
      listeners:
        description:
          - Ports of the VIP.
        type: list
        elements: dict
        suboptions:
          protocol:
            description:
              - Transport.
              - The server's default is TCP.
            type: str
            choices:
              - TCP
              - UDP
          port:
            description:
              - Port of the VIP.
            type: int
            required: true
          static_members:
            description:
              - Members in addition to the service's Computes.
            type: list
            elements: dict
            suboptions:
              address:
                description:
                  - Address of the member.
                type: str
                required: true
              port:
                description:
                  - Port of the member.
                type: int
                required: true
          health_monitor:
            description:
              - How members are checked.
            type: dict
            suboptions:
              type:
                description:
                  - Kind of check.
                  - The server's default is TCP.
                type: str
                choices:
                  - TCP
                  - HTTP
              port:
                description:
                  - Port that is checked.
                type: int
                required: true
              path:
                description:
                  - Path, for HTTP.
                  - The server's default is /.
                type: str
              interval:
                description:
                  - Time between checks.
                  - Unit s.
                  - The server's default is 5.
                type: int
              timeout:
                description:
                  - Timeout of a check.
                  - Unit s.
                  - The server's default is 2.
                type: int
              retries:
                description:
                  - Number of failed checks before a member is removed.
                  - The server's default is 3.
                type: int
      member_ha_mode:
        description:
          - How the members share the load.
          - The server's default is ActiveActive.
        type: str
        choices:
          - ActiveActive
  security_groups:
    description:
      - SecurityGroups whose rules open the Computes to others; without any, only the Computes of the service reach
        each other. A change takes effect on running Computes.
    type: list
    elements: str
  global_service:
    description:
      - 'GlobalService that the service is a member of; none: no GSLB.'
    type: str
  expire_date:
    description:
      - 'End of the reservation; none: never.'
    type: str
  clear:
    description:
      - 'Fields that get their defaults again: without a value, empty, or what the server sets.'
      - For fields inside a map, give the map without them.
    type: list
    elements: str
    choices:
      - labels
      - max_revision_history
      - loadbalancer
      - security_groups
      - global_service
      - expire_date
"""

EXAMPLES = r"""
---
- name: Have a RegionService
  resource.infra.region_service:
    name: web
    region: kanto
    replicas: 3
    compute:
      flavor: small
      image: guest
      schedule_policy:
        rules:
          - axis: power
            mode: AntiAffinity
          - axis: rack
            mode: AntiAffinity
- name: Remove it
  resource.infra.region_service:
    name: web
    region: kanto
    state: absent
"""

RETURN = r"""
---
resource:
  description: The RegionService after the task (in check mode, before it). Empty when it does not exist.
  returned: success
  type: dict
  sample:
    kind: RegionService
    name: web
    region: kanto
    spec:
      replicas: 3
      compute:
        flavor: small
        image: guest
        schedule_policy:
          rules:
            - axis: power
              mode: AntiAffinity
            - axis: rack
              mode: AntiAffinity
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
