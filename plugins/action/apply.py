# Copyright: (c) Resource Service
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin of every module of the collection (``meta/runtime.yml`` routes them here).

It runs on the control node, in ansible's own process: a task starts no Python, nothing has to be installed, and the
hosts of the play do not matter.
"""

from __future__ import annotations

import os
import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase

from ..module_utils.client import ApiError, ClientError
from ..plugin_utils import actions, apply_task, move_actions, resource_task
from ..plugin_utils.task import Refused, Task

_RUN: t.Mapping[str, t.Callable[[Task], dict[str, t.Any]]] = {
    "state": resource_task.state,
    "info": resource_task.info,
    "absent": resource_task.absent,
    "act": actions.act,
    "move": move_actions.move,
    "apply": apply_task.apply,
}


class ActionModule(ActionBase):
    """Runs one task."""

    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        """Return the result of the task; a refusal is a failure with one clear message."""
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        module = (self._task.resolved_action or self._task.action).rpartition(".")[2]
        task: Task | None = None
        try:
            task = Task(
                module,
                self._task.args,
                check=self._task.check_mode,
                diff=self._task.diff,
                find=self._find,
                environ=self._environ(),
            )
            result.update(_RUN[task.entry["run"]](task))
            if task.warnings:
                result["warnings"] = task.warnings
        except Refused as error:
            result.update(failed=True, changed=_wrote(task), msg=str(error), **error.facts)
        except ApiError as error:
            message = f"{_title(self._task.args)}{error}"
            result.update(failed=True, changed=_wrote(task), msg=message, code=error.code, status=error.status)
            if error.problems:
                result["problems"] = error.problems
        except ClientError as error:
            result.update(failed=True, changed=_wrote(task), msg=str(error), code=error.code)
        if not self._task.diff:
            result.pop("diff", None)
        return result

    def _environ(self) -> dict[str, str]:
        """Return the environment of the task: what ``environment`` of play, block and task sets, over ansible's own."""
        given: dict[str, t.Any] = {}
        self._compute_environment_string(given)
        return {**os.environ, **{name: str(value) for name, value in given.items()}}

    def _find(self, name: str) -> str:
        """Return the path of a file or folder, found as by other tasks: next to the play, or in the role's files."""
        try:
            return str(self._find_needle("files", name))
        except AnsibleError:
            raise Refused(f"src {name}: the file or folder does not exist, in files/ or beside the play") from None


def _wrote(task: Task | None) -> bool:
    return task is not None and task.wrote


def _title(arguments: t.Mapping[str, t.Any]) -> str:
    name = arguments.get("name")
    return f"{name}: " if isinstance(name, str) and name else ""
