# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of every module."""

from __future__ import annotations


class ModuleDocFragment:
    """How to reach the API, and how long to wait."""

    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Address of the API, C(https://host:port) or C(unix:/path).
      - The environment variable E(RESOURCE_SERVER) when not given.
    type: str
  api_token:
    description:
      - Token to show.
      - The environment variable E(RESOURCE_TOKEN) when not given.
    type: str
  api_token_file:
    description:
      - File with the token, when O(api_token) is not given.
      - The environment variable E(RESOURCE_TOKEN_FILE) when not given.
    type: path
  api_timeout:
    description:
      - Seconds that the API may take to connect and to answer.
      - The environment variable E(RESOURCE_TIMEOUT) when not given.
    type: float
    default: 60.0
  validate_certs:
    description:
      - Whether the certificate of the API is checked.
      - The environment variable E(RESOURCE_VALIDATE_CERTS) when not given.
    type: bool
    default: true
  ca_cert:
    description:
      - File with the CA certificates (PEM) that the API's certificate is checked against.
      - The environment variable E(RESOURCE_CA) when not given.
    type: path
  client_cert:
    description:
      - PEM file with the certificate that the client shows, for an API behind a proxy that demands one. It may hold the
        private key, too.
      - The environment variable E(RESOURCE_CLIENT_CERT) when not given.
    type: path
  client_key:
    description:
      - PEM file with the private key of O(client_cert), without a passphrase. Not needed when the certificate's file
        holds it.
      - The environment variable E(RESOURCE_CLIENT_KEY) when not given.
    type: path
  headers:
    description:
      - Further headers of every request, for a proxy in front of the API. Their values are not logged.
      - Headers that the client sets itself, such as C(Authorization), are refused.
      - The environment variable E(RESOURCE_HEADERS), a JSON object, when not given.
    type: raw
  wait:
    description:
      - Wait until the resource is Active, or deleted; Nodes that are drained, until all are empty; a Compute, until it
        has moved or was seen to run or to stand still as asked; a rebalance, until all its moves have ended.
      - An API that is away in the meantime is waited for as well.
      - The environment variable E(RESOURCE_WAIT) when not given.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait at most.
      - The environment variable E(RESOURCE_WAIT_TIMEOUT) when not given.
    type: float
    default: 300.0
attributes:
  check_mode:
    description: Can run in check mode and show, from the plan of the server, what would change.
  diff_mode:
    description: Can show the fields that differ.
notes:
  - Runs on the control node. Where the hosts of the play are makes no difference.
"""
