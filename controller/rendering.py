"""The one loader of the templates (libvirt domain, nftables) that agents render.

Templates live in ``templates/`` of the repository and travel in the wheel as
``controller/templates``. XML templates escape every value; a name that a template uses and nobody
gave is an error, never an empty string.

Not promised: that what comes out is valid for its reader; the reader says so.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def render(template: str, **values: object) -> str:
    """Render ``template`` (a path below ``templates/``) with ``values``."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    package = Path(__file__).parent
    return Environment(
        loader=FileSystemLoader([package / "templates", package.parent / "templates"]),
        autoescape=select_autoescape(["xml.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
