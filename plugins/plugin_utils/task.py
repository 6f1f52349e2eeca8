# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of tasks: checked against the generated tables, and used to create a client.

Arguments that are not given get no defaults, so that a task changes only what it names.
"""

from __future__ import annotations

import os
import random
import re
import time
import typing as t
from pathlib import Path

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import AnsibleFallbackNotFound, UnsupportedError

from ..module_utils.client import ApiError, Client, Unreachable, headers_of
from ..module_utils.module_specs import entry

# ``env``: the environment variable whose value an option has that is not given.
CONNECTION: dict[str, t.Any] = {
    "api_url": {"type": "str", "env": "RESOURCE_SERVER"},
    "api_token": {"type": "str", "no_log": True, "env": "RESOURCE_TOKEN"},
    "api_token_file": {"type": "path", "no_log": False, "env": "RESOURCE_TOKEN_FILE"},
    "api_timeout": {"type": "float", "default": 60.0, "env": "RESOURCE_TIMEOUT"},
    "validate_certs": {"type": "bool", "default": True, "env": "RESOURCE_VALIDATE_CERTS"},
    "ca_cert": {"type": "path", "env": "RESOURCE_CA"},
    "client_cert": {"type": "path", "env": "RESOURCE_CLIENT_CERT"},
    "client_key": {"type": "path", "no_log": False, "env": "RESOURCE_CLIENT_KEY"},
    "headers": {"type": "raw", "no_log": True, "env": "RESOURCE_HEADERS"},
}
WAITING: dict[str, t.Any] = {
    "wait": {"type": "bool", "default": False, "env": "RESOURCE_WAIT"},
    "wait_timeout": {"type": "float", "default": 300.0, "env": "RESOURCE_WAIT_TIMEOUT"},
}


class Refused(Exception):
    """Raised when a task cannot be done; ``facts`` are added to its result."""

    def __init__(self, message: str, **facts: t.Any) -> None:
        self.facts = facts
        super().__init__(message)


class WaitTimeout(Refused):
    """Raised when the awaited state was not reached in time."""


_AWAY = (502, 503, 504)
"""Answers of an API that is restarting, or of the proxy in front of it."""


def _error_text(error: Exception) -> str:
    if isinstance(error, UnsupportedError):
        return f"unknown option {error}"
    return re.sub(r": <class '[^']*'> cannot be converted to an? \w+", "", str(error))


def name_of(option: str, value: str) -> str:
    """Return the value if it can be a name; else raise Refused. Names are parts of paths, so a slash is refused."""
    if not value or "/" in value or value.strip(".") == "":
        raise Refused(f"{option}: {value!r} is no name")
    return value


class Clock(t.Protocol):
    """The clock that waiting needs."""

    def monotonic(self) -> float:
        """Return seconds since some moment."""

    def sleep(self, seconds: float, /) -> None:
        """Sleep for that long."""


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
        clock: Clock = time,
        environ: t.Mapping[str, str] | None = None,
    ) -> None:
        """``environ``: the environment of the task; default: that of this process. Raises Refused."""
        self.module, self.check, self.diff, self.find, self._clock = module, check, diff, find, clock
        self.entry = entry(module)
        spec = {**_shared_options(os.environ if environ is None else environ), **self.entry["options"]}
        checked = ArgumentSpecValidator(spec).validate(dict(given))
        if checked.error_messages:
            raise Refused(f"{module}: {'; '.join(_error_text(error) for error in checked.errors)}")
        self.arguments: dict[str, t.Any] = checked.validated_parameters
        self.wrote = False
        """Whether something was written; a task that fails afterwards must report it, too."""
        self.warnings: list[str] = []
        """What the user must see although the task succeeds, each once."""
        if not self.arguments["api_timeout"] > 0:
            raise Refused(f"{module}: api_timeout: must be above 0")
        if not self.arguments["wait_timeout"] >= 0:
            raise Refused(f"{module}: wait_timeout: must not be below 0")
        self.client = self._client()

    def given(self, names: t.Iterable[str]) -> dict[str, t.Any]:
        """Return those of the named arguments that the task gives, without unset values inside them."""
        return {name: _set_only(self.arguments[name]) for name in names if self.arguments.get(name) is not None}

    def warn(self, message: str) -> None:
        """Have Ansible show a warning with the result of the task, once."""
        if message not in self.warnings:
            self.warnings.append(message)

    def pause(self, tries: int) -> None:
        """Pause before another try, so that two writers who met do not meet again: longer with each, by chance."""
        if tries:
            self._clock.sleep(random.uniform(0.05, 0.1) * 2**tries)  # noqa: S311 - chance, no secret

    def until(self, done: t.Callable[[], bool], what: str) -> None:
        """Poll, less and less often, until it is done; raises WaitTimeout after ``wait_timeout``.

        An API that cannot be reached for a while, for example during a restart, is polled further.
        """
        end, pause = self._clock.monotonic() + self.arguments["wait_timeout"], 0.2
        while True:
            away = ""
            try:
                if done():
                    return
            except Unreachable as error:
                away = f": {error}"
            except ApiError as error:
                if error.status not in _AWAY:
                    raise
                away = f": {error}"
            if self._clock.monotonic() + pause > end:
                raise WaitTimeout(f"{what} within {self.arguments['wait_timeout']:g} s{away}")
            self._clock.sleep(pause)
            pause = min(pause * 1.5, 3.0)

    def _client(self) -> Client:
        arguments = self.arguments
        if not arguments["api_url"]:
            raise Refused("no API: set api_url, or the environment variable RESOURCE_SERVER")
        token = arguments["api_token"]
        if not token and arguments["api_token_file"]:
            try:
                token = Path(arguments["api_token_file"]).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeError) as error:
                told = getattr(error, "strerror", None) or "is no text"
                raise Refused(f"api_token_file {arguments['api_token_file']}: {told}") from error
        if not token:
            raise Refused("no token: set api_token or api_token_file, or the environment variable RESOURCE_TOKEN")
        return Client(
            arguments["api_url"],
            token,
            timeout=arguments["api_timeout"],
            validate_certs=arguments["validate_certs"],
            ca_cert=arguments["ca_cert"],
            client_cert=arguments["client_cert"],
            client_key=arguments["client_key"],
            headers=headers_of(arguments["headers"]),
        )


def _shared_options(environ: t.Mapping[str, str]) -> dict[str, t.Any]:
    """Return the options of every module as Ansible's validator takes them, with the values of the environment."""

    def value_of(name: str) -> str:
        if name not in environ:
            raise AnsibleFallbackNotFound
        return environ[name]

    options = {}
    for name, facts in {**CONNECTION, **WAITING}.items():
        spec = {fact: value for fact, value in facts.items() if fact != "env"}
        options[name] = {**spec, "fallback": (value_of, [facts["env"]])}
    return options


def _set_only(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: _set_only(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_set_only(inner) for inner in value]
    return value
