"""The OpenAPI document and its page: for everybody, and the same from each API that a process makes."""

from __future__ import annotations

from starlette.applications import Starlette

from tests.python.integration.root.api.conftest import Api


async def test_the_document_and_its_page_are_served_to_everybody(app: Starlette) -> None:
    async with Api(app, None) as api:
        document, again = await api.get("/openapi.json"), await api.get("/openapi.json")
        page = await api.get("/docs")
    assert document.json()["openapi"] == "3.1.0"
    assert document.content == again.content
    assert page.headers["content-type"].startswith("text/html")
    assert all(path in page.text for path in document.json()["paths"])
