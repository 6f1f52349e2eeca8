# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and groups from the topology of the Resource Service."""

from __future__ import annotations

DOCUMENTATION = r"""
name: topology
short_description: Nodes, virtual machines and equipment of the Resource Service as hosts
author:
  - Resource Service (@resource)
version_added: 0.1.0
description:
  - Reads one consistent snapshot of the topology from the API, and creates hosts and groups from it.
  - A node is C(NODE.CLUSTER), a Compute (virtual machine) is its own host name C(SERVICE-INDEX.PROJECT.REGION),
    a physical resource is C(NAME.DATACENTER). The machine of a node that is in the inventory has no host of
    its own.
  - Groups are C(region_*) above C(cluster_*), C(availability_zone_*) and, below clusters, C(network_zone_*) and
    C(node_zone_*);
    C(datacenter_*) above C(floor_*) above C(rack_*), and above the failure domains C(power_*) and C(network_*);
    C(project_*) above C(service_*); C(provider_*), C(role_*), C(status_*), C(state_*), C(cordoned);
    C(nodes), C(computes) and C(physical_resources). A host is in the deepest of them.
  - In names of groups, every character except letters, digits and C(_) becomes C(_), and the parents' names come
    first, as in C(rack_tokyo_floor_1_1_1_rack_1_1).
  - A clash of names never fails the inventory. Hosts of one name are left out, all of them. A host with the name of
    a group is left out. A group of two sources is left out, and its hosts are in the group above it. A warning names
    both sources and the option that helps.
  - Variables are C(ansible_host) (by O(host_address)), C(resource_kind), C(resource_name), C(resource_labels),
    C(resource_status),
    C(resource_state), C(resource_cluster), C(resource_datacenter), C(resource_floor), C(resource_rack),
    C(resource_rack_position),
    C(resource_role), C(resource_model), C(resource_serial), C(resource_addresses), C(resource_power_links)
    (inlet to source),
    C(resource_network_links) (port to peer), C(resource_power_domain), C(resource_network_domain),
    C(resource_network_zone),
    C(resource_node_zone), C(resource_availability_zone), C(resource_providers) (of nodes), C(resource_cordoned),
    C(resource_draining),
    C(resource_machine_labels) (of a node's machine),
    C(resource_capacity_vcpus), C(resource_capacity_memory_mib) and so on for each dimension,
    C(resource_free_vcpus) and so on; of Computes also C(resource_project), C(resource_service),
    C(resource_index), C(resource_node) and C(resource_provider).
  - Empty and false values are not set. Write C(resource_rack | default('')) where a value may be missing.
  - Text of the API is data and is never templated.
extends_documentation_fragment:
  - ansible.builtin.constructed
options:
  plugin:
    description: Always C(resource.infra.topology).
    type: str
    required: true
    choices: [resource.infra.topology, topology]
  api_url:
    description: Address of the API, C(https://host:port) or C(unix:/path).
    type: str
    required: true
    env:
      - name: RESOURCE_SERVER
  api_token:
    description: Token of the API. May be a template, such as a lookup in a vault.
    type: str
    env:
      - name: RESOURCE_TOKEN
  api_token_file:
    description: File that holds the token, when O(api_token) is not given.
    type: path
    env:
      - name: RESOURCE_TOKEN_FILE
  api_timeout:
    description: Seconds that the API may take for each step of an answer.
    type: float
    default: 60
    env:
      - name: RESOURCE_TIMEOUT
  validate_certs:
    description: Whether the API's certificate is checked.
    type: bool
    default: true
    env:
      - name: RESOURCE_VALIDATE_CERTS
  ca_cert:
    description: PEM file of the authority that signed the API's certificate.
    type: path
    env:
      - name: RESOURCE_CA
  client_cert:
    description:
      - PEM file with the certificate that the client shows, for an API behind a proxy that demands one. It may hold the
        private key, too.
    type: path
    env:
      - name: RESOURCE_CLIENT_CERT
  client_key:
    description: PEM file with the private key of O(client_cert), without a passphrase.
    type: path
    env:
      - name: RESOURCE_CLIENT_KEY
  headers:
    description:
      - Further headers of every request, for a proxy in front of the API. Values may be templates.
      - A map; in the environment variable a JSON object.
      - Headers that the client sets itself, such as C(Authorization), are refused.
    type: raw
    default: {}
    env:
      - name: RESOURCE_HEADERS
  hosts:
    description: What becomes a host.
    type: list
    elements: str
    choices: [nodes, computes, physical_resources]
    default: [nodes, computes]
  project:
    description: Only Computes of this project. Without it, of every project that the token may read.
    type: str
  labels:
    description:
      - Label filters, done by the API. All must hold. An entry that is a list holds when one of its texts does.
      - V(key=value), V(key!=value), V(key), V(!key); with V(Node:), V(Compute:) or another kind before it for
        that kind only.
    type: list
    elements: raw
    default: []
  fields:
    description:
      - Field filters, done by the API. All must hold. An entry that is a list holds when one of its texts does.
      - V(state=Up) or V(state!=Up); with a kind before it for that kind only, as in
        V(Node:spec.node_availability_zone=row-1).
      - A kind that no text of an entry is for is not narrowed by that entry. Labels are fields, too, as in
        V(labels.env=lab), so that an entry can be a choice of both.
    type: list
    elements: raw
    default: []
  node_names:
    description:
      - V(qualified) names a node with its cluster, V(short) without.
      - Nodes of two clusters may have one short name. Then neither is in the inventory, and a warning names both.
    type: str
    choices: [qualified, short]
    default: qualified
  host_name:
    description:
      - Name of each host, as a Jinja2 expression over its variables as in O(compose), for example
        V(resource_name ~ '-' ~ resource_cluster).
      - Only the variables that O(variables) names can be used. The name is made before O(compose).
      - A host is left out with a warning when its name cannot be made, is not a text, is empty, has other characters
        than letters, digits, C(_), C(-) and C(.), is the name of a group, or is the name of another host too.
      - With O(strict=true) an expression that fails is an error.
    type: str
    env:
      - name: RESOURCE_INVENTORY_HOST_NAME
  group_prefix:
    description: Text before the name of every group that this plugin makes, such as V(site_). For several sources.
    type: str
    default: ""
    env:
      - name: RESOURCE_INVENTORY_GROUP_PREFIX
  group_separator:
    description:
      - Text between the parts of a group's name.
      - V(__) keeps floor V(a-b) of V(tokyo) and floor V(b) of V(tokyo-a) apart, as C(floor__tokyo__a_b) and
        C(floor__tokyo_a__b).
    type: str
    default: _
    env:
      - name: RESOURCE_INVENTORY_GROUP_SEPARATOR
  host_address:
    description:
      - Which address C(ansible_host) is, the first of these that the host has.
      - V(first) is its first address; V(interface:eth1) the address of that port of its machine; V(network:oob) its
        address in that network, such as the out-of-band one; V(name) the name that the host has without
        O(host_name), for DNS.
      - V(network:) finds secondary addresses, too. The interfaces of Computes have networks, and no names.
      - A host that has none of them gets no C(ansible_host), and Ansible connects to its name.
    type: list
    elements: str
    default: [first]
  vars_prefix:
    description:
      - Text before the name of every variable, except C(ansible_host) and those in O(rename_variables).
      - O(compose), O(groups), O(keyed_groups), O(host_name) and O(variables) use the documented names.
    type: str
    default: ""
  rename_variables:
    description:
      - "New names of variables, by their documented names, as in V({resource_rack: rack})."
      - Two variables of one name are an error. As with O(vars_prefix), expressions use the documented names, also where
        a new name is the documented one of another variable. In O(groups) and O(keyed_groups), what O(compose) sets
        wins over both.
    type: dict
    default: {}
  variables:
    description:
      - Names of the variables that hosts get, the only ones that O(compose), O(groups) and O(keyed_groups) see
        too. Without it, all.
      - Ansible takes its time for every variable of every host, so that naming the few which plays use makes
        large inventories faster.
    type: list
    elements: str
  cache:
    description:
      - Keep what was made of the API's answer in a file of the user, and use it while it is fresh.
      - When it is no longer fresh, the API is asked whether anything changed, and answers in full only then.
      - C(--flush-cache) asks again. Address, token and filters each make a cache of their own.
    type: bool
    default: false
    env:
      - name: ANSIBLE_INVENTORY_CACHE
    ini:
      - section: inventory
        key: cache
  cache_timeout:
    description: Seconds for which a cache is fresh; 0 is for ever.
    type: int
    default: 3600
    env:
      - name: ANSIBLE_INVENTORY_CACHE_TIMEOUT
    ini:
      - section: inventory
        key: cache_timeout
  cache_connection:
    description: Folder of the cache. Without it, C(resource.infra/inventory) in the user's cache folder.
    type: path
    env:
      - name: ANSIBLE_INVENTORY_CACHE_CONNECTION
    ini:
      - section: inventory
        key: cache_connection
"""

EXAMPLES = r"""
# topology.yml; RESOURCE_SERVER and RESOURCE_TOKEN say where the API is
plugin: resource.infra.topology

---
# only nodes of one zone that are up, with routers and power units, and groups of one's own
plugin: resource.infra.topology
api_url: https://api.example.com:7440
api_token_file: /etc/resource-service/token
hosts: [nodes, physical_resources]
fields:
  - Node:state=Up
  - Node:spec.node_availability_zone=row-1
  - [Node:spec.schedulable=true, Node:labels.env=lab]
  - Node:observed.zones.rack!=floor-1-1-1-rack-1-1
labels:
  - Node:env=lab
strict: true
compose:
  ansible_user: "'ops'"
groups:
  roomy: (resource_free_memory_mib | default(0)) > 65536
keyed_groups:
  - key: resource_model
    prefix: model
cache: true
cache_timeout: 600

---
# names of one's own: hosts as tokyo1-server1, groups as site__rack__tokyo__rack_1
plugin: resource.infra.topology
hosts: [nodes]
host_name: resource_cluster ~ '-' ~ resource_name
group_prefix: site__
group_separator: __

---
# connected to by the out-of-band network where there is one, and with variables that another source does not set
plugin: resource.infra.topology
host_address: ["network:oob", "interface:eth0", first]
vars_prefix: site_
rename_variables: {resource_rack: rack}
keyed_groups:
  - key: resource_machine_labels.owner
    prefix: owner
"""

import contextlib
import gc
import os
import time
import typing as t
from pathlib import Path

from ansible import constants as C
from ansible.errors import AnsibleError, AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible_collections.resource.infra.plugins.module_utils import (
    host_address,
    host_filters,
    host_names,
    topology,
    topology_cache,
    topology_variables,
    variable_names,
)
from ansible_collections.resource.infra.plugins.module_utils.client import (
    ApiError,
    Client,
    ClientError,
    NotModified,
    checked_headers,
    headers_of,
)

HINTS = {
    401: "check api_token, RESOURCE_TOKEN or api_token_file",
    404: "the API has no topology: it is older than this collection",
}

_REFUSALS = (
    topology.TopologyError,
    topology_variables.VariableError,
    host_address.AddressError,
    host_filters.FilterError,
    host_names.NamingError,
    ClientError,
    OSError,
)


class InventoryModule(BaseInventoryPlugin, Constructable):
    """The plugin; ``parse`` is all that Ansible calls."""

    NAME = "resource.infra.topology"

    def verify_file(self, path: str) -> bool:
        """Any YAML file: the ``plugin`` key says whether it is ours."""
        return bool(super().verify_file(path)) and path.endswith((".yml", ".yaml"))

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        """Fill the inventory; raises AnsibleParserError with one line that says what to do.

        Where one bad source is to fail the run, the run ends here, for Ansible would offer the file to its yaml and
        ini plugins yet and print what they cannot make of it.
        """
        try:
            with _lasting():
                self._parse(inventory, loader, path, cache)
        except AnsibleError as error:
            if not C.INVENTORY_ANY_UNPARSED_IS_FAILED:
                raise
            self.display.error(error.message, wrap_text=False)
            raise SystemExit(1) from None

    def _parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool) -> None:
        super().parse(inventory, loader, path, cache)
        self._read_options(path)
        try:
            content = self._content(use_cache=cache)
        except _REFUSALS as error:
            raise AnsibleParserError(f"{path}: {self._error_text(error)}") from None
        for warning in content["warnings"]:
            self.display.warning(f"{path}: {warning}")
        self._fill(self._named(content, path))

    def _named(self, content: t.Mapping[str, t.Any], path: str) -> t.Mapping[str, t.Any]:
        """Return the content with the names of ``host_name``."""
        expression = self.get_option("host_name")
        if not expression:
            return content
        made = {host: self._made_name(expression, host, found, path) for host, found in content["hosts"].items()}
        named, warnings = host_names.renamed(content, made)
        for warning in warnings:
            self.display.warning(f"{path}: {warning}")
        return named

    def _made_name(self, expression: str, host: str, variables: t.Mapping[str, t.Any], path: str) -> t.Any:
        try:
            return self._compose(expression, variables)
        except Exception as error:  # whatever a template of the user raises
            if self.get_option("strict"):
                raise AnsibleParserError(f"{path}: host_name: {host}: {error}") from error
            return error

    def _read_options(self, path: str) -> None:
        """As the base class does, but without making a cache plugin, for the cache is our own."""
        config = self.loader.load_from_file(path, cache="none", trusted_as_template=True)
        if not isinstance(config, dict) or config.get("plugin") not in ("resource.infra.topology", "topology"):
            raise AnsibleParserError(f"{path} is no inventory of resource.infra.topology")
        unknown = sorted(set(map(str, config)) - set(self._option_names()))
        if unknown:
            known = ", ".join(self._option_names())
            raise AnsibleParserError(f"{path}: {unknown[0]}: unknown option; there are {known}")
        self.set_options(direct=config, var_options=self._vars)

    def _option_names(self) -> t.List[str]:
        """Names of the options, those of the doc fragments too."""
        return sorted(C.config.get_configuration_definitions("inventory", self._load_name))

    def _content(self, use_cache: bool) -> t.Mapping[str, t.Any]:
        url, token = self._templated("api_url"), self._token()
        kinds = [topology.KINDS[word] for word in dict.fromkeys(self.get_option("hosts"))]
        order = [str(choice) for choice in self.get_option("host_address")]
        host_address.check(order)
        self._variable_names = variable_names.VariableNames(
            str(self.get_option("vars_prefix")), self.get_option("rename_variables")
        )
        headers = self._headers()
        query = [("kinds", ",".join([*topology.PLACES, *kinds]))]
        if self.get_option("project"):
            query.append(("project", str(self.get_option("project"))))
        query += host_filters.query_of("label", "labels", self.get_option("labels"))
        query += host_filters.query_of("field", "fields", self.get_option("fields"))
        short = self.get_option("node_names") == "short"
        variables = self.get_option("variables")
        topology_variables.check(variables or ())
        prefix, separator = str(self.get_option("group_prefix")), str(self.get_option("group_separator"))
        host_names.check_groups(prefix, separator)

        def ask(tag: str = "") -> topology.Inventory:
            lines = self._client(url, token, headers).stream("/v1/topology", query=query, tag=tag)
            wanted = None if variables is None else frozenset(variables)
            return topology.read(lines, short, wanted, prefix, separator, order)

        if not self.get_option("cache"):
            return _content_of(ask())
        folder = self.get_option("cache_connection") or topology_cache.default_folder(os.environ)
        source = [topology.FORMAT, url, token, query, headers]
        key = topology_cache.key_of(*source, short, variables, prefix, separator, order)
        found = topology_cache.load(folder, key) if use_cache else None
        now = time.time()
        if found and found.is_fresh(self.get_option("cache_timeout"), now):
            return found.content
        try:
            whole = ask(found.tag if found else "")
        except NotModified:
            self._note(lambda: topology_cache.renew(folder, key, now))
            return t.cast(topology_cache.Stored, found).content
        content = _content_of(whole)
        self._note(lambda: topology_cache.store(folder, key, whole.tag, content, now))
        return content

    def _note(self, write: t.Callable[[], None]) -> None:
        try:
            write()
        except OSError as error:
            self.display.warning(f"the inventory's cache cannot be written: {error}")

    def _client(self, url: str, token: str, headers: t.Mapping[str, str]) -> Client:
        return Client(
            url,
            token,
            timeout=self.get_option("api_timeout"),
            validate_certs=self.get_option("validate_certs"),
            ca_cert=self.get_option("ca_cert"),
            client_cert=self.get_option("client_cert"),
            client_key=self.get_option("client_key"),
            headers=headers,
        )

    def _fill(self, content: t.Mapping[str, t.Any]) -> None:
        inventory = self.inventory
        for name in content["groups"]:
            inventory.add_group(name)
        for name, group in content["groups"].items():
            for child in group["children"]:
                inventory.add_child(name, child)
        for name, variables in content["hosts"].items():
            inventory.add_host(name)
            inventory.get_host(name).vars.update(self._variable_names.renamed(variables))
        self._join(content["groups"])
        self._construct(content["hosts"])

    def _join(self, groups: t.Mapping[str, t.Mapping[str, t.Sequence[str]]]) -> None:
        """Put hosts into their groups, all at once: one by one, Ansible looks for a group's ancestors for each host."""
        hosts = self.inventory.hosts
        joined: t.Dict[str, t.List[t.Any]] = {}
        for name, group in groups.items():
            if group["hosts"]:
                members = self.inventory.groups[name]
                new = [host for host in group["hosts"] if host not in members.host_names]
                members.hosts.extend(hosts[host] for host in new)
                members.host_names.update(new)
                members.clear_hosts_cache()
                above = [members, *members.get_ancestors()]
                for host in group["hosts"]:
                    joined.setdefault(host, []).extend(above)
        for host, all_of in joined.items():
            hosts[host].populate_ancestors(all_of)

    def _construct(self, hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> None:
        """Do ``compose``, ``groups`` and ``keyed_groups``, with the documented names of variables.

        They win over new names that are documented ones of other variables; what ``compose`` sets wins over both.
        """
        compose, groups, keyed = (self.get_option(name) for name in ("compose", "groups", "keyed_groups"))
        if not (compose or groups or keyed):
            return
        strict = self.get_option("strict")
        for name, documented in hosts.items():
            host = self.inventory.get_host(name)
            more = documented if self._variable_names else {}
            composed = self._composed(host, {**host.get_vars(), **more}, strict) if compose else {}
            variables = {**host.get_vars(), **more, **composed}
            self._add_host_to_composed_groups(groups, variables, name, strict, fetch_hostvars=False)
            self._add_host_to_keyed_groups(keyed, variables, name, strict, fetch_hostvars=False)

    def _composed(self, host: t.Any, variables: t.Mapping[str, t.Any], strict: bool) -> t.Mapping[str, t.Any]:
        """Set the variables of ``compose``; return those that it could set."""
        compose = self.get_option("compose")
        # Put aside, a variable with such a new name is not taken for what an expression that failed has set.
        renamed = [name for name in compose if name in host.vars] if self._variable_names else []
        before = {name: host.vars.pop(name) for name in renamed}
        try:
            self._set_composite_vars(compose, variables, host.name, strict)
            return {name: host.vars[name] for name in compose if name in host.vars}
        finally:
            host.vars.update({name: value for name, value in before.items() if name not in host.vars})

    def _templated(self, option: str) -> str:
        value = self.get_option(option)
        return str(self.templar.template(value)) if value else ""

    def _headers(self) -> t.Dict[str, str]:
        headers = headers_of(self.get_option("headers"))
        return checked_headers({name: self.templar.template(value) for name, value in headers.items()})

    def _token(self) -> str:
        token = self._templated("api_token").strip()
        path = self.get_option("api_token_file")
        if not token and path:
            token = Path(path).read_text(encoding="utf-8").strip()
        if not token:
            raise topology.TopologyError("no token: give api_token or api_token_file, or set RESOURCE_TOKEN")
        return token

    def _error_text(self, error: Exception) -> str:
        hint = HINTS.get(error.status) if isinstance(error, ApiError) else None
        return f"{error} ({hint})" if hint else str(error)


@contextlib.contextmanager
def _lasting() -> t.Iterator[None]:
    """Inside, nothing is searched for garbage, and what is made there is passed over by later searches.

    They would look through every host again and again, for an inventory stays until the next one is read.
    """
    enabled = gc.isenabled()
    gc.disable()
    gc.unfreeze()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()


def _content_of(whole: topology.Inventory) -> t.Dict[str, t.Any]:
    return {"hosts": whole.hosts, "groups": whole.groups, "warnings": whole.warnings}
