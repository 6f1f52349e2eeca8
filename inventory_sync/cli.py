"""``resourcectl netbox pull|push|diff``, added by the entry point ``resourcectl.commands``.

The command line passes what the commands need of it (connection options, output) as a kit, so that this package does
not import it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from controller.client import Client
from inventory_sync import netbox_writer, partial_failure, pull, push, report
from inventory_sync.instance import with_instance
from inventory_sync.mapping import Mapping as Rules
from inventory_sync.mapping import load
from inventory_sync.netbox_reader import LISTS, NetBox
from inventory_sync.progress import bar
from inventory_sync.pull import Pull
from inventory_sync.push import Push
from inventory_sync.translation import OBJECTS, translate

DIFFERS = 7
"""As ``resourcectl diff --exit-code``."""
PARTIAL = 8
"""Done, except for objects of NetBox that were skipped."""
_PANEL = "NetBox"


class Session(Protocol):
    """What ``remote`` passes to a command."""

    @property
    def client(self) -> Client: ...


class Kit(Protocol):
    """What ``controller.cli.extensions`` passes to commands."""

    @property
    def remote(self) -> Callable[..., Any]: ...
    @property
    def shown(self) -> Callable[..., Any]: ...
    @property
    def view(self) -> Callable[..., Any]: ...
    @property
    def differences(self) -> Callable[..., Any]: ...
    @property
    def results(self) -> Callable[..., Any]: ...
    @property
    def refuse(self) -> Callable[[str], Exception]: ...


MappingOption = Annotated[Path, typer.Option("-m", "--mapping", help="The mapping file (YAML).")]
UrlOption = Annotated[
    str, typer.Option("--netbox-url", help="Address of NetBox.", envvar="NETBOX_URL", rich_help_panel=_PANEL)
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--netbox-token-file", help="File with the token for NetBox; or NETBOX_TOKEN.", rich_help_panel=_PANEL
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option("--netbox-ca", help="CA certificates (PEM) of NetBox.", envvar="NETBOX_CA", rich_help_panel=_PANEL),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the differences without writing them.")]
AdoptOption = Annotated[
    bool, typer.Option("--adopt", help="Adopt resources that have a wanted name but were created by others.")
]

REQUEST_MIB = pull.REQUEST_BYTES / (1 << 20)
RequestOption = Annotated[
    float, typer.Option("--request-mib", help="Largest request. More is written in several transactions.", min=0.001)
]


def commands(kit: Kit) -> typer.Typer:
    """Return the application with the commands."""
    app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", rich_help_panel=_PANEL)

    @app.callback()
    def _netbox() -> None:
        """Update the inventory from NetBox, and write clusters and machines to NetBox.

        Example:
          resourcectl netbox diff -m netbox.yaml
        """

    def opened(rules: Rules, url: str, token_file: Path | None, ca: Path | None) -> NetBox:
        if not url:
            raise kit.refuse("no NetBox: give --netbox-url URL, or set NETBOX_URL")
        if ca is not None and not ca.is_file():
            raise kit.refuse(f"--netbox-ca {ca}: the file does not exist")
        netbox = NetBox(url, _token(kit, token_file), ca=None if ca is None else str(ca))
        netbox.check()
        return netbox

    def planned(
        session: Session, file: Path, url: str, token: Path | None, ca: Path | None, adopt: bool, mib: float
    ) -> Pull:
        rules = load(file)
        netbox = opened(rules, url, token, ca)
        rules = with_instance(rules, netbox.url)
        with bar("reading NetBox", len(LISTS)) as tell:
            seen = netbox.snapshot(tell)
        inventory = pull.read(session.client, rules)
        made = translate(seen, rules, inventory.ours)
        del seen
        found = pull.plan(session.client, made, rules, adopt=adopt, limit=_bytes(mib), inventory=inventory)
        netbox.require_absent(OBJECTS, pull.unlisted(found, made))
        return found

    def shown_pull(found: Pull, *, remove: bool = False, code: int = 0) -> Any:
        view = kit.differences({"changes": found.changes})
        lines = (*view.lines, *report.pulled(found))
        documents = [report.document(found, remove=remove, lines=lines)]
        return kit.view(documents=documents, single=True, lines=lines, exit_code=code or _partial(found))

    @app.command(name="pull")
    @kit.shown
    @kit.remote
    def pull_(
        session: Any,
        mapping: MappingOption,
        netbox_url: UrlOption = "",
        netbox_token_file: TokenFileOption = None,
        netbox_ca: CaOption = None,
        dry_run: DryRunOption = False,
        remove: Annotated[
            bool,
            typer.Option(
                "--remove", help="Delete what an earlier pull created and NetBox no longer has, unless it is in use."
            ),
        ] = False,
        remove_limit: Annotated[
            int,
            typer.Option(
                "--remove-limit",
                min=0,
                max=100,
                metavar="PERCENT",
                help="Write nothing when --remove would delete a larger share of what pulls created.",
            ),
        ] = 50,
        adopt: AdoptOption = False,
        request_mib: RequestOption = REQUEST_MIB,
    ) -> Any:
        """Update the inventory from NetBox. Writes only the differences.

        Example:
          resourcectl netbox pull -m netbox.yaml --dry-run
        """
        found = planned(session, mapping, netbox_url, netbox_token_file, netbox_ca, adopt, request_mib)
        too_much = pull.excess(found, remove_limit) if remove else ""
        if too_much:
            raise kit.refuse(too_much)
        if dry_run:
            return shown_pull(found, remove=remove)
        results = pull.write(session.client, found, limit=_bytes(request_mib))
        with partial_failure.with_progress(
            lambda: f"all {len(results)} documents that differ had been written, nothing was removed"
        ):
            removed, kept = pull.remove(session.client, found) if remove else ([], None)
        view = kit.results([*results, *removed])
        told = report.pulled(found, removed={str(one["key"]) for one in removed}, kept=kept)
        return kit.view(
            view.columns,
            view.rows,
            [*view.documents, *report.skipped_documents(found)],
            lines=(*view.lines, *told),
            named=view.documents,
            exit_code=_partial(found),
        )

    @app.command()
    @kit.shown
    @kit.remote
    def diff(
        session: Any,
        mapping: MappingOption,
        netbox_url: UrlOption = "",
        netbox_token_file: TokenFileOption = None,
        netbox_ca: CaOption = None,
        adopt: AdoptOption = False,
        request_mib: RequestOption = REQUEST_MIB,
        exit_code: Annotated[
            bool, typer.Option("--exit-code", help="Exit with code 7 when there are differences.")
        ] = False,
    ) -> Any:
        """Show what a pull would change, field by field. Changes nothing.

        Example:
          resourcectl netbox diff -m netbox.yaml --exit-code
        """
        found = planned(session, mapping, netbox_url, netbox_token_file, netbox_ca, adopt, request_mib)
        return shown_pull(found, code=DIFFERS if exit_code and (found.differs or found.gone) else 0)

    @app.command(name="push")
    @kit.shown
    @kit.remote
    def push_(
        session: Any,
        mapping: MappingOption,
        netbox_url: UrlOption = "",
        netbox_token_file: TokenFileOption = None,
        netbox_ca: CaOption = None,
        dry_run: DryRunOption = False,
    ) -> Any:
        """Write clusters and machines to NetBox, under one tag; the status of devices only where the mapping says so.

        Example:
          resourcectl netbox push -m netbox.yaml
        """
        rules = load(mapping)
        netbox = opened(rules, netbox_url, netbox_token_file, netbox_ca)
        found: Push = push.plan(session.client, netbox, with_instance(rules, netbox.url))
        if not dry_run:
            with bar("writing NetBox", netbox_writer.STEPS) as tell:
                netbox_writer.write(netbox, rules, found, tell)
        rows: Sequence[tuple[str, ...]] = report.pushed(found)
        documents = [dict(zip(("list", "name", "action", "fields"), row, strict=True)) for row in rows]
        lines = (*report.unchanged_lines(found), report.counts(found))
        return kit.view(("LIST", "NAME", "ACTION", "FIELDS"), rows, documents, lines=lines)

    return app


def _partial(found: Pull) -> int:
    return PARTIAL if found.skipped else 0


def _bytes(mib: float) -> int:
    return int(mib * (1 << 20))


def _token(kit: Kit, file: Path | None) -> str:
    try:
        token = os.environ.get("NETBOX_TOKEN", "").strip() if file is None else file.expanduser().read_text().strip()
    except OSError as error:
        raise kit.refuse(f"--netbox-token-file {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise kit.refuse(f"--netbox-token-file {file}: must be UTF-8 text") from error
    if not token:
        raise kit.refuse("no token for NetBox: give --netbox-token-file FILE, or set NETBOX_TOKEN")
    if not all(
        "!" <= letter <= "~" for letter in token
    ):  # a header with it would be refused with the token in the error
        where = "NETBOX_TOKEN" if file is None else f"--netbox-token-file {file}"
        raise kit.refuse(f"{where}: must be a token: it has spaces, line ends or letters that a token cannot have")
    return token
