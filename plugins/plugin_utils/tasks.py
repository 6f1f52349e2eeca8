# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of tasks: checked against the generated tables, and made into a client.

What is not given stays not given (no defaults are filled in), so that a task only touches what it names.
"""

from __future__ import annotations

import time
import typing as t
from pathlib import Path

from ansible.module_utils.basic import env_fallback
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from ..module_utils.client import Client
from ..module_utils.kinds import entry

CONNECTION: dict[str, t.Any] = {
    "api_url": {"type": "str", "fallback": (env_fallback, ["RESOURCE_SERVER"])},
    "api_token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["RESOURCE_TOKEN"])},
    "api_token_file": {"type": "path", "no_log": False, "fallback": (env_fallback, ["RESOURCE_TOKEN_FILE"])},
    "api_timeout": {"type": "float", "default": 60.0, "fallback": (env_fallback, ["RESOURCE_TIMEOUT"])},
    "validate_certs": {"type": "bool", "default": True, "fallback": (env_fallback, ["RESOURCE_VALIDATE_CERTS"])},
    "ca_cert": {"type": "path", "fallback": (env_fallback, ["RESOURCE_CA"])},
}
WAITING: dict[str, t.Any] = {
    "wait": {"type": "bool", "default": False, "fallback": (env_fallback, ["RESOURCE_WAIT"])},
    "wait_timeout": {"type": "float", "default": 300.0, "fallback": (env_fallback, ["RESOURCE_WAIT_TIMEOUT"])},
}


class Refused(Exception):
    """Raised when a task cannot be done as asked; ``facts`` go into its result."""

    def __init__(self, message: str, **facts: t.Any) -> None:
        self.facts = facts
        super().__init__(message)


def _told(error: Exception) -> str:
    return f"unknown option {error}" if isinstance(error, UnsupportedError) else str(error)


class Task:
    """One task: its module's entry in the table, its arguments, and how it is run."""

    def __init__(
        self,
        module: str,
        given: t.Mapping[str, t.Any],
        *,
        check: bool = False,
        diff: bool = False,
        find: t.Callable[[str], str] = str,
    ) -> None:
        self.module, self.check, self.diff, self.find = module, check, diff, find
        self.entry = entry(module)
        spec = {**CONNECTION, **WAITING, **self.entry["options"]}
        checked = ArgumentSpecValidator(spec).validate(dict(given))
        if checked.error_messages:
            raise Refused(f"{module}: {'; '.join(_told(error) for error in checked.errors)}")
        self.arguments: dict[str, t.Any] = checked.validated_parameters
        self.client = self._client()

    def given(self, names: t.Iterable[str]) -> dict[str, t.Any]:
        """Those of the named arguments that the task gives, without what is unset inside them."""
        return {name: _set_only(self.arguments[name]) for name in names if self.arguments.get(name) is not None}

    def until(self, done: t.Callable[[], bool], what: str) -> None:
        """Ask again, less and less often, until it is done; raises Refused after ``wait_timeout``."""
        end, pause = time.monotonic() + self.arguments["wait_timeout"], 0.2
        while not done():
            if time.monotonic() + pause > end:
                raise Refused(f"{what} within {self.arguments['wait_timeout']:g} s")
            time.sleep(pause)
            pause = min(pause * 1.5, 3.0)

    def _client(self) -> Client:
        arguments = self.arguments
        if not arguments["api_url"]:
            raise Refused("no API: set api_url, or the environment variable RESOURCE_SERVER")
        token = arguments["api_token"]
        if not token and arguments["api_token_file"]:
            try:
                token = Path(arguments["api_token_file"]).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise Refused(f"api_token_file {arguments['api_token_file']}: {error.strerror}") from error
        return Client(
            arguments["api_url"],
            token,
            timeout=arguments["api_timeout"],
            validate_certs=arguments["validate_certs"],
            ca_cert=arguments["ca_cert"],
        )


def _set_only(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: _set_only(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_set_only(inner) for inner in value]
    return value
