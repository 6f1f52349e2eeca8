# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resources of any kind, looked up by name or by filters."""

from __future__ import annotations

DOCUMENTATION = r"""
name: resource
short_description: Read resources of the Resource Service
author: Resource Service (@resource)
version_added: 0.1.0
description:
  - With terms, each is the path of one resource below its parents, as in V(tokyo/floor-1-1-1-rack-1-1); one that
    does not exist is an error, unless O(missing_ok=true).
  - Without terms, returns all resources of the kind that match the filters, in the order of their names.
  - Text of the API is data and is never templated.
options:
  _terms:
    description: Paths of resources, the parents' names first.
    type: list
    elements: str
  kind:
    description: Kind of the resources, as the module is named, such as V(rack) or V(region_service).
    type: str
    required: true
  project:
    description: Project, for kinds that have one. In a list V(*) is every project that the token may read.
    type: str
    default: default
  labels:
    description: Label filters of a list, done by the API. All must hold.
    type: list
    elements: str
    default: []
  fields:
    description: Field filters of a list, done by the API. All must hold.
    type: dict
    default: {}
  missing_ok:
    description: Whether resources that do not exist are left out of the answer.
    type: bool
    default: false
  api_url:
    description: Address of the API, C(https://host:port) or C(unix:/path).
    type: str
    required: true
    env:
      - name: RESOURCE_SERVER
  api_token:
    description: Token of the API.
    type: str
    env:
      - name: RESOURCE_TOKEN
  api_token_file:
    description: File that holds the token, when O(api_token) is not given.
    type: path
    env:
      - name: RESOURCE_TOKEN_FILE
  api_timeout:
    description: Seconds that the API may take to connect and to answer.
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
      - Further headers of every request, for a proxy in front of the API.
      - A map; in the environment variable a JSON object.
      - Headers that the client sets itself, such as C(Authorization), are refused.
    type: raw
    default: {}
    env:
      - name: RESOURCE_HEADERS
"""

EXAMPLES = r"""
- name: Where is the rack
  ansible.builtin.debug:
    msg: "{{ lookup('resource.infra.resource', 'tokyo/floor-1-1-1-rack-1-1', kind='rack').spec.floor }}"

- name: Nodes that are down
  ansible.builtin.debug:
    msg: "{{ query('resource.infra.resource', kind='node', fields={'state': 'Down'}) | map(attribute='name') }}"
"""

RETURN = r"""
_raw:
  description: The resources, as the API shows them.
  type: list
  elements: dict
"""

import typing as t
from pathlib import Path
from urllib.parse import quote

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase
from ansible_collections.resource.infra.plugins.module_utils import module_specs
from ansible_collections.resource.infra.plugins.module_utils.client import (
    ApiError,
    Client,
    ClientError,
    headers_of,
)


class LookupModule(LookupBase):
    """The plugin; ``run`` is all that Ansible calls."""

    def run(self, terms: t.List[str], variables: t.Any = None, **given: t.Any) -> t.List[t.Dict[str, t.Any]]:
        """The resources; raises AnsibleLookupError with one line that says what to do."""
        self.set_options(var_options=variables, direct=given)
        kind = self._kind()
        try:
            client = Client(
                self.get_option("api_url"),
                self._token(),
                timeout=self.get_option("api_timeout"),
                validate_certs=self.get_option("validate_certs"),
                ca_cert=self.get_option("ca_cert"),
                client_cert=self.get_option("client_cert"),
                client_key=self.get_option("client_key"),
                headers=headers_of(self.get_option("headers")),
            )
            if not terms:
                return list(self._listed(client, kind))
            found = [self._one(client, kind, str(term)) for term in terms]
        except (ClientError, OSError) as error:
            raise AnsibleLookupError(f"{kind['kind']}: {error}") from None
        return [each for each in found if each is not None]

    def _kind(self) -> t.Dict[str, t.Any]:
        wanted = str(self.get_option("kind"))
        known = {entry["kind"]: entry for entry in module_specs.entries() if entry["run"] == "info"}
        for name, entry in known.items():
            if wanted in (name, _noun(name)):
                return entry
        raise AnsibleLookupError(f"kind: there is no {wanted!r}; there are {', '.join(sorted(map(_noun, known)))}")

    def _one(self, client: Client, kind: t.Mapping[str, t.Any], term: str) -> t.Optional[t.Dict[str, t.Any]]:
        names = term.split("/")
        wanted = [*kind["parents"], "name"]
        if len(names) != len(wanted) or not all(names):
            raise AnsibleLookupError(f"{term!r} is no path of a {kind['kind']}: write {'/'.join(wanted)}")
        path = kind["path"].format(**{key: quote(name, safe="") for key, name in zip(wanted, names)})
        try:
            return client.request("GET", path, query=self._project(kind))[1]
        except ApiError as error:
            if error.code == "not_found" and self.get_option("missing_ok"):
                return None
            raise

    def _listed(self, client: Client, kind: t.Mapping[str, t.Any]) -> t.Iterator[t.Dict[str, t.Any]]:
        path = kind["path"].rpartition("/")[0].format(**dict.fromkeys(kind["parents"], "-"))
        query = [("limit", "1000"), *self._project(kind)]
        query += [("label", str(label)) for label in self.get_option("labels")]
        query += [("field", f"{name}={_text(value)}") for name, value in self.get_option("fields").items()]
        after: t.List[t.Tuple[str, str]] = []
        while True:
            page = client.request("GET", path, query=[*query, *after])[1]
            yield from page["items"]
            if not page["next_after"]:
                return
            after = [("after", page["next_after"])]

    def _project(self, kind: t.Mapping[str, t.Any]) -> t.List[t.Tuple[str, str]]:
        return [("project", str(self.get_option("project")))] if kind["per_project"] else []

    def _token(self) -> str:
        token, path = self.get_option("api_token") or "", self.get_option("api_token_file")
        if not token and path:
            token = Path(path).read_text(encoding="utf-8").strip()
        if not token:
            raise AnsibleLookupError("no token: give api_token or api_token_file, or set RESOURCE_TOKEN")
        return str(token)


def _noun(kind: str) -> str:
    """``RegionService`` as modules are named: ``region_service``."""
    return "".join(
        f"_{letter.lower()}" if letter.isupper() and index and not kind[index - 1].isupper() else letter.lower()
        for index, letter in enumerate(kind)
    )


def _text(value: t.Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
