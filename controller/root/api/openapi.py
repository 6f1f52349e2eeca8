from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller.root.api.operation import Operation


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    return {}
