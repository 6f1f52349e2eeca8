"""The progress of a pull or push: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

Tell = Callable[[str, int], None]


@contextlib.contextmanager
def bar(what: str, steps: int) -> Iterator[Tell]:
    """Yield a function to call once per step, with its name and a count; it may be called from any thread."""
    if not sys.stderr.isatty():
        yield lambda name, count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[last]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=steps, last="")
        yield lambda name, count: progress.update(task, advance=1, last=f"{count} {name}")
