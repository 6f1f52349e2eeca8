# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Made by `make docs` from the models; do not edit.
"""What each module is about: kind, path, and the options that it takes.

Kept as texts: a task reads its own module's only, and Python has less to compile in each of ansible's workers.
"""

from __future__ import annotations

import json
import typing as t


def entry(module: str) -> t.Dict[str, t.Any]:
    """The entry of one module."""
    found: t.Dict[str, t.Any] = json.loads(_TEXTS[module])
    return found


def entries() -> t.List[t.Dict[str, t.Any]]:
    """Those of all modules, parents before children."""
    return [entry(module) for module in _TEXTS]


_TEXTS: t.Mapping[str, str] = {
    'project': (
        '{"kind": "Project", "path": "/v1/projects/{name}", "parents": [], "per_project": false, "run": "stat'
        'e", "fields": {"description": "description"}, "options": {"name": {"type": "str", "required": true},'
        ' "state": {"type": "str", "choices": ["present", "absent"], "default": "present"}, "labels": {"type"'
        ': "dict"}, "description": {"type": "str"}, "clear": {"type": "list", "elements": "str", "choices": ['
        '"labels", "description"]}}}'
    ),
    'project_info': (
        '{"kind": "Project", "path": "/v1/projects/{name}", "parents": [], "per_project": false, "run": "info'
        '", "options": {"name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"t'
        'ype": "dict"}}}'
    ),
    'token': (
        '{"kind": "Token", "path": "/v1/tokens/{name}", "parents": [], "per_project": false, "run": "state", '
        '"fields": {"role": "role", "projects": "projects", "rights": "rights", "expires_at": "expires_at", "'
        'description": "description"}, "options": {"name": {"type": "str", "required": true}, "state": {"type'
        '": "str", "choices": ["present", "absent"], "default": "present"}, "labels": {"type": "dict"}, "role'
        '": {"type": "str", "choices": ["admin", "operator", "viewer"]}, "projects": {"type": "list", "elemen'
        'ts": "str"}, "rights": {"type": "list", "elements": "str", "choices": ["images"]}, "expires_at": {"t'
        'ype": "str"}, "description": {"type": "str"}, "clear": {"type": "list", "elements": "str", "choices"'
        ': ["labels", "projects", "rights", "expires_at", "description"]}}}'
    ),
    'token_info': (
        '{"kind": "Token", "path": "/v1/tokens/{name}", "parents": [], "per_project": false, "run": "info", "'
        'options": {"name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"type"'
        ': "dict"}}}'
    ),
    'join_token': (
        '{"kind": "JoinToken", "path": "/v1/clusters/{cluster}/join-tokens/{name}", "parents": ["cluster"], "'
        'per_project": false, "run": "state", "fields": {"node": "node", "expires_at": "expires_at"}, "option'
        's": {"cluster": {"type": "str", "required": true}, "name": {"type": "str", "required": true}, "state'
        '": {"type": "str", "choices": ["present", "absent"], "default": "present"}, "labels": {"type": "dict'
        '"}, "node": {"type": "str"}, "expires_at": {"type": "str"}, "clear": {"type": "list", "elements": "s'
        'tr", "choices": ["labels", "expires_at"]}}}'
    ),
    'join_token_info': (
        '{"kind": "JoinToken", "path": "/v1/clusters/{cluster}/join-tokens/{name}", "parents": ["cluster"], "'
        'per_project": false, "run": "info", "options": {"cluster": {"type": "str"}, "name": {"type": "str"},'
        ' "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'region': (
        '{"kind": "Region", "path": "/v1/regions/{name}", "parents": [], "per_project": false, "run": "state"'
        ', "fields": {"description": "description"}, "options": {"name": {"type": "str", "required": true}, "'
        'state": {"type": "str", "choices": ["present", "absent"], "default": "present"}, "labels": {"type": '
        '"dict"}, "description": {"type": "str"}, "clear": {"type": "list", "elements": "str", "choices": ["l'
        'abels", "description"]}}}'
    ),
    'region_info': (
        '{"kind": "Region", "path": "/v1/regions/{name}", "parents": [], "per_project": false, "run": "info",'
        ' "options": {"name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"typ'
        'e": "dict"}}}'
    ),
    'region_availability_zone': (
        '{"kind": "RegionAvailabilityZone", "path": "/v1/regions/{region}/availability-zones/{name}", "parent'
        's": ["region"], "per_project": false, "run": "state", "fields": {"description": "description"}, "opt'
        'ions": {"region": {"type": "str", "required": true}, "name": {"type": "str", "required": true}, "sta'
        'te": {"type": "str", "choices": ["present", "absent"], "default": "present"}, "labels": {"type": "di'
        'ct"}, "description": {"type": "str"}, "clear": {"type": "list", "elements": "str", "choices": ["labe'
        'ls", "description"]}}}'
    ),
    'region_availability_zone_info': (
        '{"kind": "RegionAvailabilityZone", "path": "/v1/regions/{region}/availability-zones/{name}", "parent'
        's": ["region"], "per_project": false, "run": "info", "options": {"region": {"type": "str"}, "name": '
        '{"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'datacenter': (
        '{"kind": "Datacenter", "path": "/v1/datacenters/{name}", "parents": [], "per_project": false, "run":'
        ' "state", "fields": {"location": "location", "description": "description"}, "options": {"name": {"ty'
        'pe": "str", "required": true}, "state": {"type": "str", "choices": ["present", "absent"], "default":'
        ' "present"}, "labels": {"type": "dict"}, "location": {"type": "str"}, "description": {"type": "str"}'
        ', "clear": {"type": "list", "elements": "str", "choices": ["labels", "location", "description"]}}}'
    ),
    'datacenter_info': (
        '{"kind": "Datacenter", "path": "/v1/datacenters/{name}", "parents": [], "per_project": false, "run":'
        ' "info", "options": {"name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields'
        '": {"type": "dict"}}}'
    ),
    'floor': (
        '{"kind": "Floor", "path": "/v1/datacenters/{datacenter}/floors/{name}", "parents": ["datacenter"], "'
        'per_project": false, "run": "state", "fields": {"building": "building", "storey": "storey", "number"'
        ': "number", "description": "description"}, "options": {"datacenter": {"type": "str", "required": tru'
        'e}, "name": {"type": "str", "required": true}, "state": {"type": "str", "choices": ["present", "abse'
        'nt"], "default": "present"}, "labels": {"type": "dict"}, "building": {"type": "int"}, "storey": {"ty'
        'pe": "int"}, "number": {"type": "int"}, "description": {"type": "str"}, "clear": {"type": "list", "e'
        'lements": "str", "choices": ["labels", "building", "storey", "number", "description"]}}}'
    ),
    'floor_info': (
        '{"kind": "Floor", "path": "/v1/datacenters/{datacenter}/floors/{name}", "parents": ["datacenter"], "'
        'per_project": false, "run": "info", "options": {"datacenter": {"type": "str"}, "name": {"type": "str'
        '"}, "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'rack': (
        '{"kind": "Rack", "path": "/v1/datacenters/{datacenter}/racks/{name}", "parents": ["datacenter"], "pe'
        'r_project": false, "run": "state", "fields": {"floor": "floor", "row": "row", "column": "column", "h'
        'eight_units": "height_units", "pair": "pair"}, "options": {"datacenter": {"type": "str", "required":'
        ' true}, "name": {"type": "str", "required": true}, "state": {"type": "str", "choices": ["present", "'
        'absent"], "default": "present"}, "labels": {"type": "dict"}, "floor": {"type": "str"}, "row": {"type'
        '": "int"}, "column": {"type": "int"}, "height_units": {"type": "int"}, "pair": {"type": "str"}, "cle'
        'ar": {"type": "list", "elements": "str", "choices": ["labels", "row", "column", "height_units", "pai'
        'r"]}}}'
    ),
    'rack_info': (
        '{"kind": "Rack", "path": "/v1/datacenters/{datacenter}/racks/{name}", "parents": ["datacenter"], "pe'
        'r_project": false, "run": "info", "options": {"datacenter": {"type": "str"}, "name": {"type": "str"}'
        ', "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'physical_model': (
        '{"kind": "PhysicalModel", "path": "/v1/physical-models/{name}", "parents": [], "per_project": false,'
        ' "run": "state", "fields": {"vendor": "vendor", "role": "role", "height_units": "height_units", "ful'
        'l_depth": "full_depth", "cpus": "cpus", "memory_mib": "memory_mib", "disk_gib": "disk_gib", "mainten'
        'ance_years": "maintenance_years"}, "options": {"name": {"type": "str", "required": true}, "state": {'
        '"type": "str", "choices": ["present", "absent"], "default": "present"}, "labels": {"type": "dict"}, '
        '"vendor": {"type": "str"}, "role": {"type": "str", "choices": ["GatewayRouter", "FloorSpineRouter", '
        '"FloorLeafRouter", "RackSpineRouter", "RackLeafRouter", "Server", "Pdu", "PowerFeed", "Other"]}, "he'
        'ight_units": {"type": "float"}, "full_depth": {"type": "bool"}, "cpus": {"type": "int"}, "memory_mib'
        '": {"type": "int"}, "disk_gib": {"type": "int"}, "maintenance_years": {"type": "int"}, "clear": {"ty'
        'pe": "list", "elements": "str", "choices": ["labels", "vendor", "role", "height_units", "full_depth"'
        ', "cpus", "memory_mib", "disk_gib", "maintenance_years"]}}}'
    ),
    'physical_model_info': (
        '{"kind": "PhysicalModel", "path": "/v1/physical-models/{name}", "parents": [], "per_project": false,'
        ' "run": "info", "options": {"name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, '
        '"fields": {"type": "dict"}}}'
    ),
    'physical_resource': (
        '{"kind": "PhysicalResource", "path": "/v1/datacenters/{datacenter}/physical-resources/{name}", "pare'
        'nts": ["datacenter"], "per_project": false, "run": "state", "fields": {"role": "role", "model": "mod'
        'el", "floor": "floor", "rack": "rack", "position": "position", "face": "face", "serial": "serial", "'
        'in_service_since": "in_service_since", "ports": "ports", "network_links": "network_links", "power_li'
        'nks": "power_links"}, "options": {"datacenter": {"type": "str", "required": true}, "name": {"type": '
        '"str", "required": true}, "state": {"type": "str", "choices": ["present", "absent"], "default": "pre'
        'sent"}, "labels": {"type": "dict"}, "role": {"type": "str", "choices": ["GatewayRouter", "FloorSpine'
        'Router", "FloorLeafRouter", "RackSpineRouter", "RackLeafRouter", "Server", "Pdu", "PowerFeed", "Othe'
        'r"]}, "model": {"type": "str"}, "floor": {"type": "str"}, "rack": {"type": "str"}, "position": {"typ'
        'e": "float"}, "face": {"type": "str", "choices": ["front", "rear"]}, "serial": {"type": "str"}, "in_'
        'service_since": {"type": "str"}, "ports": {"type": "list", "elements": "dict", "options": {"name": {'
        '"type": "str", "required": true}, "network": {"type": "str"}, "address": {"type": "str"}, "secondary'
        '_addresses": {"type": "list", "elements": "dict", "options": {"network": {"type": "str"}, "address":'
        ' {"type": "str", "required": true}}}, "mac": {"type": "str"}}}, "network_links": {"type": "list", "e'
        'lements": "dict", "options": {"port": {"type": "str", "required": true}, "peer": {"type": "str", "re'
        'quired": true}, "peer_port": {"type": "str"}, "split": {"type": "bool"}}}, "power_links": {"type": "'
        'list", "elements": "dict", "options": {"inlet": {"type": "str", "required": true}, "source": {"type"'
        ': "str", "required": true}, "outlet": {"type": "str"}, "split": {"type": "bool"}}}, "clear": {"type"'
        ': "list", "elements": "str", "choices": ["labels", "model", "floor", "rack", "position", "face", "se'
        'rial", "in_service_since", "ports", "network_links", "power_links"]}}}'
    ),
    'physical_resource_info': (
        '{"kind": "PhysicalResource", "path": "/v1/datacenters/{datacenter}/physical-resources/{name}", "pare'
        'nts": ["datacenter"], "per_project": false, "run": "info", "options": {"datacenter": {"type": "str"}'
        ', "name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dict"}'
        '}}'
    ),
    'cluster': (
        '{"kind": "Cluster", "path": "/v1/clusters/{name}", "parents": [], "per_project": false, "run": "stat'
        'e", "fields": {"region": "region", "datacenter": "datacenter", "weight": "weight", "endpoint": "endp'
        'oint", "description": "description"}, "options": {"name": {"type": "str", "required": true}, "state"'
        ': {"type": "str", "choices": ["present", "absent"], "default": "present"}, "labels": {"type": "dict"'
        '}, "region": {"type": "str"}, "datacenter": {"type": "str"}, "weight": {"type": "int"}, "endpoint": '
        '{"type": "str"}, "description": {"type": "str"}, "clear": {"type": "list", "elements": "str", "choic'
        'es": ["labels", "weight", "endpoint", "description"]}}}'
    ),
    'cluster_info': (
        '{"kind": "Cluster", "path": "/v1/clusters/{name}", "parents": [], "per_project": false, "run": "info'
        '", "options": {"name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"t'
        'ype": "dict"}}}'
    ),
    'network_availability_zone': (
        '{"kind": "NetworkAvailabilityZone", "path": "/v1/clusters/{cluster}/network-availability-zones/{name'
        '}", "parents": ["cluster"], "per_project": false, "run": "state", "fields": {"description": "descrip'
        'tion"}, "options": {"cluster": {"type": "str", "required": true}, "name": {"type": "str", "required"'
        ': true}, "state": {"type": "str", "choices": ["present", "absent"], "default": "present"}, "labels":'
        ' {"type": "dict"}, "description": {"type": "str"}, "clear": {"type": "list", "elements": "str", "cho'
        'ices": ["labels", "description"]}}}'
    ),
    'network_availability_zone_info': (
        '{"kind": "NetworkAvailabilityZone", "path": "/v1/clusters/{cluster}/network-availability-zones/{name'
        '}", "parents": ["cluster"], "per_project": false, "run": "info", "options": {"cluster": {"type": "st'
        'r"}, "name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dic'
        't"}}}'
    ),
    'node_availability_zone': (
        '{"kind": "NodeAvailabilityZone", "path": "/v1/clusters/{cluster}/node-availability-zones/{name}", "p'
        'arents": ["cluster"], "per_project": false, "run": "state", "fields": {"description": "description"}'
        ', "options": {"cluster": {"type": "str", "required": true}, "name": {"type": "str", "required": true'
        '}, "state": {"type": "str", "choices": ["present", "absent"], "default": "present"}, "labels": {"typ'
        'e": "dict"}, "description": {"type": "str"}, "clear": {"type": "list", "elements": "str", "choices":'
        ' ["labels", "description"]}}}'
    ),
    'node_availability_zone_info': (
        '{"kind": "NodeAvailabilityZone", "path": "/v1/clusters/{cluster}/node-availability-zones/{name}", "p'
        'arents": ["cluster"], "per_project": false, "run": "info", "options": {"cluster": {"type": "str"}, "'
        'name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'provider': (
        '{"kind": "Provider", "path": "/v1/providers/{name}", "parents": [], "per_project": false, "run": "st'
        'ate", "fields": {"description": "description", "provides": "provides", "driver": "driver"}, "options'
        '": {"name": {"type": "str", "required": true}, "state": {"type": "str", "choices": ["present", "abse'
        'nt"], "default": "present"}, "labels": {"type": "dict"}, "description": {"type": "str"}, "provides":'
        ' {"type": "str", "choices": ["VirtualMachine", "Pod", "VirtualMachineDeployment", "PodDeployment", "'
        'Configmap", "Secret", "Loadbalancer", "CI", "CD"]}, "driver": {"type": "str", "choices": ["Libvirt",'
        ' "Docker", "Vpp", "Xdp", "Etcd", "Memory"]}, "clear": {"type": "list", "elements": "str", "choices":'
        ' ["labels", "description"]}}}'
    ),
    'provider_info': (
        '{"kind": "Provider", "path": "/v1/providers/{name}", "parents": [], "per_project": false, "run": "in'
        'fo", "options": {"name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {'
        '"type": "dict"}}}'
    ),
    'resource_flavor': (
        '{"kind": "ResourceFlavor", "path": "/v1/flavors/{name}", "parents": [], "per_project": false, "run":'
        ' "state", "fields": {"provider": "provider", "sizes": "sizes", "description": "description"}, "optio'
        'ns": {"name": {"type": "str", "required": true}, "state": {"type": "str", "choices": ["present", "ab'
        'sent"], "default": "present"}, "labels": {"type": "dict"}, "provider": {"type": "str"}, "sizes": {"t'
        'ype": "dict", "options": {"vcpus": {"type": "int", "required": true}, "memory_mib": {"type": "int", '
        '"required": true}, "disk_gib": {"type": "int", "required": true}, "cpu_mode": {"type": "str", "choic'
        'es": ["Shared", "Pinned"]}, "cpu_percent": {"type": "int"}, "huge_pages": {"type": "bool"}, "disk_io'
        'ps": {"type": "int"}, "disk_mibps": {"type": "int"}, "network_mbps": {"type": "int"}, "machine_share'
        '": {"type": "str", "choices": ["Part", "Cell", "Machine"]}}}, "description": {"type": "str"}, "clear'
        '": {"type": "list", "elements": "str", "choices": ["labels", "description"]}}}'
    ),
    'resource_flavor_info': (
        '{"kind": "ResourceFlavor", "path": "/v1/flavors/{name}", "parents": [], "per_project": false, "run":'
        ' "info", "options": {"name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields'
        '": {"type": "dict"}}}'
    ),
    'image': (
        '{"kind": "Image", "path": "/v1/regions/{region}/images/{name}", "parents": ["region"], "per_project"'
        ': false, "run": "state", "fields": {"url": "url", "format": "format", "checksum": "checksum", "kerne'
        'l": "kernel", "initrd": "initrd", "cmdline": "cmdline"}, "options": {"region": {"type": "str", "requ'
        'ired": true}, "name": {"type": "str", "required": true}, "state": {"type": "str", "choices": ["prese'
        'nt", "absent"], "default": "present"}, "labels": {"type": "dict"}, "url": {"type": "str"}, "format":'
        ' {"type": "str", "choices": ["qcow2", "raw"]}, "checksum": {"type": "str"}, "kernel": {"type": "dict'
        '", "options": {"url": {"type": "str", "required": true}, "checksum": {"type": "str", "required": tru'
        'e}}}, "initrd": {"type": "dict", "options": {"url": {"type": "str", "required": true}, "checksum": {'
        '"type": "str", "required": true}}}, "cmdline": {"type": "str"}, "clear": {"type": "list", "elements"'
        ': "str", "choices": ["labels", "format", "kernel", "initrd", "cmdline"]}}}'
    ),
    'image_info': (
        '{"kind": "Image", "path": "/v1/regions/{region}/images/{name}", "parents": ["region"], "per_project"'
        ': false, "run": "info", "options": {"region": {"type": "str"}, "name": {"type": "str"}, "labels": {"'
        'type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'network_v4': (
        '{"kind": "NetworkV4", "path": "/v1/clusters/{cluster}/networks/{name}", "parents": ["cluster"], "per'
        '_project": false, "run": "state", "fields": {"subnet": "subnet", "gateway": "gateway", "start_addres'
        's": "start_address", "end_address": "end_address"}, "options": {"cluster": {"type": "str", "required'
        '": true}, "name": {"type": "str", "required": true}, "state": {"type": "str", "choices": ["present",'
        ' "absent"], "default": "present"}, "labels": {"type": "dict"}, "subnet": {"type": "str"}, "gateway":'
        ' {"type": "str"}, "start_address": {"type": "str"}, "end_address": {"type": "str"}, "clear": {"type"'
        ': "list", "elements": "str", "choices": ["labels"]}}}'
    ),
    'network_v4_info': (
        '{"kind": "NetworkV4", "path": "/v1/clusters/{cluster}/networks/{name}", "parents": ["cluster"], "per'
        '_project": false, "run": "info", "options": {"cluster": {"type": "str"}, "name": {"type": "str"}, "l'
        'abels": {"type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'network_v4_port_info': (
        '{"kind": "NetworkV4Port", "path": "/v1/clusters/{cluster}/networks/{network}/ports/{name}", "parents'
        '": ["cluster", "network"], "per_project": false, "run": "info", "options": {"cluster": {"type": "str'
        '"}, "network": {"type": "str"}, "name": {"type": "str"}, "labels": {"type": "list", "elements": "str'
        '"}, "fields": {"type": "dict"}}}'
    ),
    'global_service': (
        '{"kind": "GlobalService", "path": "/v1/global-services/{name}", "parents": [], "per_project": true, '
        '"run": "state", "fields": {"domain": "domain", "gslb": "gslb", "ttl": "ttl", "all_down": "all_down",'
        ' "members": "members"}, "options": {"name": {"type": "str", "required": true}, "project": {"type": "'
        'str"}, "state": {"type": "str", "choices": ["present", "absent"], "default": "present"}, "labels": {'
        '"type": "dict"}, "domain": {"type": "str"}, "gslb": {"type": "bool"}, "ttl": {"type": "int"}, "all_d'
        'own": {"type": "str", "choices": ["ReturnAll", "Refuse"]}, "members": {"type": "list", "elements": "'
        'dict", "options": {"region": {"type": "str", "required": true}, "service": {"type": "str", "required'
        '": true}, "weight": {"type": "int"}}}, "clear": {"type": "list", "elements": "str", "choices": ["lab'
        'els", "gslb", "ttl", "all_down", "members"]}}}'
    ),
    'global_service_info': (
        '{"kind": "GlobalService", "path": "/v1/global-services/{name}", "parents": [], "per_project": true, '
        '"run": "info", "options": {"name": {"type": "str"}, "project": {"type": "str"}, "labels": {"type": "'
        'list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'security_group': (
        '{"kind": "SecurityGroup", "path": "/v1/security-groups/{name}", "parents": [], "per_project": true, '
        '"run": "state", "fields": {"ingress": "ingress"}, "options": {"name": {"type": "str", "required": tr'
        'ue}, "project": {"type": "str"}, "state": {"type": "str", "choices": ["present", "absent"], "default'
        '": "present"}, "labels": {"type": "dict"}, "ingress": {"type": "list", "elements": "dict", "options"'
        ': {"protocol": {"type": "str", "choices": ["TCP", "UDP", "ICMP", "Any"]}, "port": {"type": "int"}, "'
        'end_port": {"type": "int"}, "network": {"type": "str"}, "group": {"type": "str"}, "project": {"type"'
        ': "str"}}}, "clear": {"type": "list", "elements": "str", "choices": ["labels", "ingress"]}}}'
    ),
    'security_group_info': (
        '{"kind": "SecurityGroup", "path": "/v1/security-groups/{name}", "parents": [], "per_project": true, '
        '"run": "info", "options": {"name": {"type": "str"}, "project": {"type": "str"}, "labels": {"type": "'
        'list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'compute_info': (
        '{"kind": "Compute", "path": "/v1/regions/{region}/computes/{name}", "parents": ["region"], "per_proj'
        'ect": true, "run": "info", "options": {"region": {"type": "str"}, "name": {"type": "str"}, "project"'
        ': {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'loadbalancer_info': (
        '{"kind": "Loadbalancer", "path": "/v1/regions/{region}/loadbalancers/{name}", "parents": ["region"],'
        ' "per_project": true, "run": "info", "options": {"region": {"type": "str"}, "name": {"type": "str"},'
        ' "project": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dict'
        '"}}}'
    ),
    'region_service': (
        '{"kind": "RegionService", "path": "/v1/regions/{region}/services/{name}", "parents": ["region"], "pe'
        'r_project": true, "run": "state", "fields": {"replicas": "replicas", "compute": "compute", "loadbala'
        'ncer": "loadbalancer", "security_groups": "security_groups", "global_service": "global_service", "ex'
        'pire_date": "expire_date"}, "options": {"region": {"type": "str", "required": true}, "name": {"type"'
        ': "str", "required": true}, "project": {"type": "str"}, "state": {"type": "str", "choices": ["presen'
        't", "absent"], "default": "present"}, "labels": {"type": "dict"}, "max_revision_history": {"type": "'
        'int"}, "replicas": {"type": "int"}, "compute": {"type": "dict", "options": {"flavor": {"type": "str"'
        ', "required": true}, "image": {"type": "str", "required": true}, "schedule_policy": {"type": "dict",'
        ' "required": true, "options": {"cluster_filters": {"type": "list", "elements": "str"}, "cluster_labe'
        'l_filters": {"type": "dict"}, "node_filters": {"type": "list", "elements": "str"}, "node_label_filte'
        'rs": {"type": "dict"}, "node_label_soft_anti_affinities": {"type": "list", "elements": "str"}, "node'
        '_label_soft_affinities": {"type": "list", "elements": "str"}, "node_label_hard_anti_affinities": {"t'
        'ype": "list", "elements": "str"}, "node_label_hard_affinities": {"type": "list", "elements": "str"},'
        ' "rules": {"type": "list", "elements": "dict", "options": {"axis": {"type": "str", "required": true}'
        ', "mode": {"type": "str", "choices": ["Affinity", "AntiAffinity"], "required": true}, "hard": {"type'
        '": "bool"}, "value": {"type": "str"}}}}}, "network_policy": {"type": "dict", "options": {"interfaces'
        '": {"type": "int"}, "assign_policy": {"type": "str", "choices": ["Affinity", "AntiAffinity"]}, "stat'
        'ic_networks": {"type": "list", "elements": "str"}}}, "disks": {"type": "list", "elements": "dict", "'
        'options": {"name": {"type": "str", "required": true}, "size_gib": {"type": "int", "required": true}}'
        '}, "ssh_keys": {"type": "list", "elements": "str"}, "user_data": {"type": "str", "no_log": true}, "s'
        'hutdown_timeout": {"type": "int"}, "on_node_down": {"type": "str", "choices": ["None", "Rebuild"]}, '
        '"on_node_up": {"type": "str", "choices": ["None", "Restart"]}}}, "loadbalancer": {"type": "dict", "o'
        'ptions": {"provider": {"type": "str", "required": true}, "network": {"type": "str", "required": true'
        '}, "replicas": {"type": "int"}, "listeners": {"type": "list", "elements": "dict", "options": {"proto'
        'col": {"type": "str", "choices": ["TCP", "UDP"]}, "port": {"type": "int", "required": true}, "static'
        '_members": {"type": "list", "elements": "dict", "options": {"address": {"type": "str", "required": t'
        'rue}, "port": {"type": "int", "required": true}}}, "health_monitor": {"type": "dict", "options": {"t'
        'ype": {"type": "str", "choices": ["TCP", "HTTP"]}, "port": {"type": "int", "required": true}, "path"'
        ': {"type": "str"}, "interval": {"type": "int"}, "timeout": {"type": "int"}, "retries": {"type": "int'
        '"}}}}}, "member_ha_mode": {"type": "str", "choices": ["ActiveActive"]}}}, "security_groups": {"type"'
        ': "list", "elements": "str"}, "global_service": {"type": "str"}, "expire_date": {"type": "str"}, "cl'
        'ear": {"type": "list", "elements": "str", "choices": ["labels", "max_revision_history", "loadbalance'
        'r", "security_groups", "global_service", "expire_date"]}}}'
    ),
    'region_service_info': (
        '{"kind": "RegionService", "path": "/v1/regions/{region}/services/{name}", "parents": ["region"], "pe'
        'r_project": true, "run": "info", "options": {"region": {"type": "str"}, "name": {"type": "str"}, "pr'
        'oject": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'volume': (
        '{"kind": "Volume", "path": "/v1/regions/{region}/volumes/{name}", "parents": ["region"], "per_projec'
        't": true, "run": "state", "fields": {"size_gib": "size_gib", "attachment": "attachment"}, "options":'
        ' {"region": {"type": "str", "required": true}, "name": {"type": "str", "required": true}, "project":'
        ' {"type": "str"}, "state": {"type": "str", "choices": ["present", "absent"], "default": "present"}, '
        '"labels": {"type": "dict"}, "size_gib": {"type": "int"}, "attachment": {"type": "dict", "options": {'
        '"service": {"type": "str", "required": true}, "index": {"type": "int", "required": true}}}, "clear":'
        ' {"type": "list", "elements": "str", "choices": ["labels"]}}}'
    ),
    'volume_info': (
        '{"kind": "Volume", "path": "/v1/regions/{region}/volumes/{name}", "parents": ["region"], "per_projec'
        't": true, "run": "info", "options": {"region": {"type": "str"}, "name": {"type": "str"}, "project": '
        '{"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'node': (
        '{"kind": "Node", "path": "/v1/clusters/{cluster}/nodes/{name}", "parents": ["cluster"], "per_project'
        '": false, "run": "state", "fields": {"physical_resource": "physical_resource", "region_availability_'
        'zone": "region_availability_zone", "network_availability_zone": "network_availability_zone", "node_a'
        'vailability_zone": "node_availability_zone", "power_domain": "power_domain", "network_domain": "netw'
        'ork_domain", "providers": "providers", "schedulable": "schedulable", "drain": "drain", "cordoned_by"'
        ': "cordoned_by", "enable_auto_cordon": "enable_auto_cordon", "auto_cordon_interval": "auto_cordon_in'
        'terval", "enable_auto_drain": "enable_auto_drain", "auto_drain_interval": "auto_drain_interval", "en'
        'able_alert": "enable_alert"}, "options": {"cluster": {"type": "str", "required": true}, "name": {"ty'
        'pe": "str", "required": true}, "state": {"type": "str", "choices": ["present", "absent"], "default":'
        ' "present"}, "labels": {"type": "dict"}, "physical_resource": {"type": "str"}, "region_availability_'
        'zone": {"type": "str"}, "network_availability_zone": {"type": "str"}, "node_availability_zone": {"ty'
        'pe": "str"}, "power_domain": {"type": "str"}, "network_domain": {"type": "str"}, "providers": {"type'
        '": "list", "elements": "str"}, "schedulable": {"type": "bool"}, "drain": {"type": "bool"}, "cordoned'
        '_by": {"type": "str", "choices": ["Operator", "Drain"]}, "enable_auto_cordon": {"type": "bool"}, "au'
        'to_cordon_interval": {"type": "int"}, "enable_auto_drain": {"type": "bool"}, "auto_drain_interval": '
        '{"type": "int"}, "enable_alert": {"type": "bool"}, "clear": {"type": "list", "elements": "str", "cho'
        'ices": ["labels", "physical_resource", "region_availability_zone", "network_availability_zone", "nod'
        'e_availability_zone", "power_domain", "network_domain", "providers", "schedulable", "drain", "cordon'
        'ed_by", "enable_auto_cordon", "auto_cordon_interval", "enable_auto_drain", "auto_drain_interval", "e'
        'nable_alert"]}}}'
    ),
    'node_info': (
        '{"kind": "Node", "path": "/v1/clusters/{cluster}/nodes/{name}", "parents": ["cluster"], "per_project'
        '": false, "run": "info", "options": {"cluster": {"type": "str"}, "name": {"type": "str"}, "labels": '
        '{"type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'assignment_info': (
        '{"kind": "Assignment", "path": "/v1/clusters/{cluster}/assignments/{name}", "parents": ["cluster"], '
        '"per_project": false, "run": "info", "options": {"cluster": {"type": "str"}, "name": {"type": "str"}'
        ', "labels": {"type": "list", "elements": "str"}, "fields": {"type": "dict"}}}'
    ),
    'service_process_info': (
        '{"kind": "ServiceProcess", "path": "/v1/service-processes/{name}", "parents": [], "per_project": fal'
        'se, "run": "info", "options": {"name": {"type": "str"}, "labels": {"type": "list", "elements": "str"'
        '}, "fields": {"type": "dict"}}}'
    ),
    'event_info': (
        '{"kind": "Event", "path": "/v1/events/{name}", "parents": [], "per_project": false, "run": "info", "'
        'options": {"name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fields": {"type"'
        ': "dict"}}}'
    ),
    'audit_record_info': (
        '{"kind": "AuditRecord", "path": "/v1/audit-records/{name}", "parents": [], "per_project": false, "ru'
        'n": "info", "options": {"name": {"type": "str"}, "labels": {"type": "list", "elements": "str"}, "fie'
        'lds": {"type": "dict"}}}'
    ),
    'node_cordon': (
        '{"kind": "Node", "path": "/v1/clusters/{cluster}/nodes/{name}", "parents": ["cluster"], "per_project'
        '": false, "run": "act", "options": {"cluster": {"type": "str", "required": true}, "name": {"type": "'
        'str", "required": true}}}'
    ),
    'node_uncordon': (
        '{"kind": "Node", "path": "/v1/clusters/{cluster}/nodes/{name}", "parents": ["cluster"], "per_project'
        '": false, "run": "act", "options": {"cluster": {"type": "str", "required": true}, "name": {"type": "'
        'str", "required": true}}}'
    ),
    'node_drain': (
        '{"kind": "Node", "path": "/v1/clusters/{cluster}/nodes/{name}", "parents": ["cluster"], "per_project'
        '": false, "run": "act", "options": {"cluster": {"type": "str", "required": true}, "name": {"type": "'
        'str", "required": true}}}'
    ),
    'node_cancel_drain': (
        '{"kind": "Node", "path": "/v1/clusters/{cluster}/nodes/{name}", "parents": ["cluster"], "per_project'
        '": false, "run": "act", "options": {"cluster": {"type": "str", "required": true}, "name": {"type": "'
        'str", "required": true}}}'
    ),
    'cluster_drain': (
        '{"kind": "Cluster", "path": "/v1/clusters/{name}", "parents": [], "per_project": false, "run": "move'
        '", "options": {"name": {"type": "str", "required": true}, "nodes": {"type": "list", "elements": "str'
        '"}, "rack": {"type": "str"}}}'
    ),
    'cluster_cancel_drain': (
        '{"kind": "Cluster", "path": "/v1/clusters/{name}", "parents": [], "per_project": false, "run": "move'
        '", "options": {"name": {"type": "str", "required": true}, "nodes": {"type": "list", "elements": "str'
        '"}, "rack": {"type": "str"}}}'
    ),
    'region_service_rebalance': (
        '{"kind": "RegionService", "path": "/v1/regions/{region}/services/{name}", "parents": ["region"], "pe'
        'r_project": true, "run": "move", "options": {"region": {"type": "str", "required": true}, "name": {"'
        'type": "str", "required": true}, "project": {"type": "str"}, "max_moves": {"type": "int"}, "at_once"'
        ': {"type": "int"}}}'
    ),
    'region_service_scale': (
        '{"kind": "RegionService", "path": "/v1/regions/{region}/services/{name}", "parents": ["region"], "pe'
        'r_project": true, "run": "act", "options": {"region": {"type": "str", "required": true}, "name": {"t'
        'ype": "str", "required": true}, "project": {"type": "str"}, "replicas": {"type": "int", "required": '
        'true}}}'
    ),
    'region_service_rollback': (
        '{"kind": "RegionService", "path": "/v1/regions/{region}/services/{name}", "parents": ["region"], "pe'
        'r_project": true, "run": "act", "options": {"region": {"type": "str", "required": true}, "name": {"t'
        'ype": "str", "required": true}, "project": {"type": "str"}, "revision": {"type": "int"}}}'
    ),
    'compute_power': (
        '{"kind": "Compute", "path": "/v1/regions/{region}/computes/{name}", "parents": ["region"], "per_proj'
        'ect": true, "run": "act", "options": {"region": {"type": "str", "required": true}, "name": {"type": '
        '"str", "required": true}, "project": {"type": "str"}, "state": {"type": "str", "choices": ["started"'
        ', "stopped", "rebooted"], "required": true}}}'
    ),
    'compute_migrate': (
        '{"kind": "Compute", "path": "/v1/regions/{region}/computes/{name}", "parents": ["region"], "per_proj'
        'ect": true, "run": "act", "options": {"region": {"type": "str", "required": true}, "name": {"type": '
        '"str", "required": true}, "project": {"type": "str"}, "node": {"type": "str"}}}'
    ),
    'compute_delete': (
        '{"kind": "Compute", "path": "/v1/regions/{region}/computes/{name}", "parents": ["region"], "per_proj'
        'ect": true, "run": "absent", "options": {"region": {"type": "str", "required": true}, "name": {"type'
        '": "str", "required": true}, "project": {"type": "str"}}}'
    ),
    'apply': (
        '{"run": "apply", "options": {"documents": {"type": "list", "elements": "dict"}, "src": {"type": "lis'
        't", "elements": "path"}, "state": {"type": "str", "choices": ["present", "absent"], "default": "pres'
        'ent"}, "purge": {"type": "bool", "default": false}, "purge_limit": {"type": "int", "default": 50}, "'
        'labels": {"type": "list", "elements": "str"}}}'
    ),
}
