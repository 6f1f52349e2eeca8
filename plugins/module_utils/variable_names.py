# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that hosts' variables get instead of the documented ones. Pure.

Variables of Ansible (``ansible_host``) get no prefix. Expressions of the inventory's file use the documented names, so
that a new prefix changes none of them.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.resource.infra.plugins.module_utils.topology_variables import AMOUNTS, VARIABLES, VariableError

_USABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class VariableNames:
    """The names by a prefix and a map; raises VariableError for impossible ones and for two of one name."""

    def __init__(self, prefix: str = "", names: t.Optional[t.Mapping[str, t.Any]] = None) -> None:
        self._prefix, self._names = prefix, dict(names or {})
        if prefix and not _USABLE.fullmatch(prefix):
            raise VariableError(f"vars_prefix: {prefix!r}: must be letters, digits and _, and not begin with a digit")
        for old, new in self._names.items():
            if old not in VARIABLES and not str(old).startswith(AMOUNTS):
                raise VariableError(f"rename_variables: {old}: no such variable; there are {', '.join(VARIABLES)}")
            if not isinstance(new, str) or not _USABLE.fullmatch(new):
                raise VariableError(f"rename_variables: {old}: {new!r} cannot be the name of a variable")
        sources: t.Dict[str, str] = {}
        for old in dict.fromkeys([*VARIABLES, *self._names]):
            other = sources.setdefault(self.of(old), old)
            if other != old:
                raise VariableError(f"rename_variables: {other} and {old} would both be {self.of(old)}")

    def __bool__(self) -> bool:
        """Return whether any name changes."""
        return bool(self._prefix or self._names)

    def of(self, name: str) -> str:
        """Return the name that the variable gets."""
        if name in self._names:
            return str(self._names[name])
        return name if name.startswith("ansible_") else self._prefix + name

    def renamed(self, variables: t.Mapping[str, t.Any]) -> t.Mapping[str, t.Any]:
        """Return the variables with their new names."""
        return {self.of(name): value for name, value in variables.items()} if self else variables
