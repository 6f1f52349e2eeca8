"""Options that commands share, added by decorators, and the session that they make.

``remote`` gives a command the connection options (and a ``session`` argument built from them),
``scoped`` also ``--project`` and one option per parent of the registry (``--region``,
``--datacenter``, ...), ``shown`` adds ``-o`` and prints the View that the command returns, ``formed`` also gives the
command the form.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from controller.cli import config, output
from controller.cli.session import Session
from controller.client import kinds

_CONNECTION = "Connection"
_SCOPE = "Scope"

Command = Callable[..., Any]


def parent_names() -> tuple[str, ...]:
    """Return every field that names a parent of some kind, outermost kinds first."""
    names: dict[str, None] = {}
    for kind in kinds.kinds():
        names.update(dict.fromkeys(kind.parents))
    return tuple(names)


PARENTS = parent_names()


def remote(command: Command) -> Command:
    """Give ``command(session, ...)`` the connection options."""
    return _with_session(command, scoped=False)


def scoped(command: Command) -> Command:
    """Give ``command(session, ...)`` the connection options, ``--project`` and the parents."""
    return _with_session(command, scoped=True)


def shown(command: Command) -> Command:
    """Add ``-o`` and print the View that the command returns."""
    return _with_output(command, given_form=False)


def formed(command: Command) -> Command:
    """Like ``shown``, and give ``command(form, ...)`` the form."""
    return _with_output(command, given_form=True)


def _with_output(command: Command, *, given_form: bool) -> Command:
    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        form = output.parse_form(values.pop("output"))
        view: output.View = command(**values, form=form) if given_form else command(**values)
        output.render(view, form, sys.stdout)
        if view.exit_code:
            raise typer.Exit(view.exit_code)

    option = typer.Option(
        "-o",
        "--output",
        help=f"Output format: {', '.join(output.Format)}, jsonpath=TEMPLATE or custom-columns=TITLE:PATH,...",
        envvar="RESOURCE_OUTPUT",
        metavar="FORMAT",
        autocompletion=output.complete_form,
    )
    added = {"output": (Annotated[str, option], str(output.Format.TABLE))}
    return _extend(wrapper, command, added, drop=("form",) if given_form else ())


def _with_session(command: Command, *, scoped: bool) -> Command:
    @functools.wraps(command)
    def wrapper(**values: Any) -> Any:
        given = {name: values.pop(name) for name in added}
        with Session(config.load(given, PARENTS)) as session:
            return command(session, **values)

    added = _connection_options()
    if scoped:
        added |= _scope_options()
    return _extend(wrapper, command, added, drop=("session",))


def _connection_options() -> dict[str, tuple[Any, Any]]:
    return {
        "server": (_option("--server", "URL of the API; or RESOURCE_SERVER.", _CONNECTION, "URL"), None),
        "token_file": (
            _option("--token-file", "File with the token; or RESOURCE_TOKEN_FILE.", _CONNECTION, "FILE"),
            None,
        ),
        "ca": (_option("--ca", "CA certificates (PEM) of the API; or RESOURCE_CA.", _CONNECTION, "FILE"), None),
    }


def _scope_options() -> dict[str, tuple[Any, Any]]:
    options = {
        "project": (_option("--project", "Project; or RESOURCE_PROJECT; else default.", _SCOPE, "NAME", "-p"), None)
    }
    for parent in PARENTS:
        help_text = f"Name of the {parent}; or RESOURCE_{parent.upper()}."
        options[parent] = (_option(f"--{parent}", help_text, _SCOPE, "NAME"), None)
    return options


def _option(name: str, help_text: str, panel: str, metavar: str, *short: str) -> Any:
    return Annotated[str | None, typer.Option(*short, name, help=help_text, rich_help_panel=panel, metavar=metavar)]


def _extend(wrapper: Command, command: Command, added: dict[str, tuple[Any, Any]], drop: tuple[str, ...]) -> Command:
    """Give ``wrapper`` the signature of ``command`` without ``drop`` and with keyword-only ``added``."""
    signature = inspect.signature(command, eval_str=True)
    kept = [parameter for name, parameter in signature.parameters.items() if name not in drop]
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in added.items()
    ]
    parameters = [*kept, *extra]
    wrapper.__signature__ = inspect.Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del wrapper.__wrapped__  # type: ignore[attr-defined]  # else inspect looks through to the inner one
    return wrapper
