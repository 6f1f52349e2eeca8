"""Writing what many agents said in one transaction, when the database may refuse what one of them said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from controller.errors import ResourceError, TemporaryError

Said = TypeVar("Said")
Result = TypeVar("Result")


async def write_apart(
    write: Callable[[Mapping[str, Said]], Awaitable[Result]], said: Mapping[str, Said]
) -> list[tuple[Mapping[str, Said], Result | ResourceError]]:
    """Write all together; should that be refused, by halves, until what is refused stands alone.

    Returns the parts that were written apart, each with its outcome: what ``write`` returned, a
    TemporaryError (of a part of any size, which may be tried again), or the refusal of a single one.
    """
    try:
        return [(said, await write(said))]
    except TemporaryError as error:
        return [(said, error)]
    except ResourceError as error:
        if len(said) == 1:
            return [(said, error)]
    names = list(said)
    middle = len(names) // 2
    parts = ({name: said[name] for name in half} for half in (names[:middle], names[middle:]))
    return [outcome for part in parts for outcome in await write_apart(write, part)]
