from __future__ import annotations

from typing import Any

from starlette.responses import HTMLResponse, Response


def page(document: dict[str, Any]) -> Response:
    return HTMLResponse("")
