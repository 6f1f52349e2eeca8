"""The filters of a topology: texts of the query, parsed into clauses for each kind.

``[Kind:]FILTER || [Kind:]FILTER ...``: the filters of one text are alternatives, and several texts must all hold. A
filter is a label filter as in lists, or ``path=value`` or ``path!=value``. With a kind it is for that kind only, else
for every kind of host. A kind that none of a text's alternatives is for is not narrowed by it.

Paths are checked when the statement is made (``selectors``), those of alternatives too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from controller.model import registry
from controller.model.access import Token
from controller.root.api import list_filters
from controller.root.api.operation import bad
from controller.store import selectors
from controller.store.selectors import Clause, FieldFilter, Filter

HOSTS = ("Node", "Compute", "PhysicalResource")
"""The kinds that a filter without a kind applies to."""
MOST_ALTERNATIVES = 100
MOST_FILTERS = 500
"""In all texts of a parameter: each is a condition on every row."""
SEPARATOR = "||"
Clauses = Sequence[tuple[str, Clause]]
"""Kind and clause."""


def labels_of(texts: Iterable[str], kinds: Sequence[str]) -> Clauses:
    """Return the clauses of the ``label`` parameters; raises InvalidInput."""

    def parsed(text: str, given: Sequence[str]) -> Sequence[Filter]:
        return selectors.parse_labels(text)

    return _all_clauses(texts, kinds, "query.label", parsed)


def fields_of(texts: Iterable[str], kinds: Sequence[str], token: Token) -> Clauses:
    """Return the clauses of the ``field`` parameters; raises InvalidInput, and Forbidden for what may not be read."""

    def parsed(text: str, given: Sequence[str]) -> Sequence[Filter]:
        found = _field(text)
        for kind in given:
            list_filters.check_filter(token, registry.get(kind), found.path)
        return [found]

    clauses = _all_clauses(texts, kinds, "query.field", parsed)
    _check_contradictions(clauses)
    return clauses


def _all_clauses(
    texts: Iterable[str], kinds: Sequence[str], where: str, parse: Callable[[str, Sequence[str]], Sequence[Filter]]
) -> Clauses:
    """Return the clauses of all texts; raises InvalidInput where there are too many filters in them."""
    found: list[tuple[str, Clause]] = []
    count = 0
    for text in texts:
        clauses = _clauses(text, kinds, where, parse)
        count += max((sum(map(len, clause)) for clause in clauses.values()), default=0)
        if count > MOST_FILTERS:
            raise bad(where, f"has more than {MOST_FILTERS} filters")
        found.extend(clauses.items())
    return found


def _clauses(
    text: str, kinds: Sequence[str], where: str, parse: Callable[[str, Sequence[str]], Sequence[Filter]]
) -> Mapping[str, Clause]:
    """Return the clause of each kind that one of the alternatives is for."""
    alternatives = text.split(SEPARATOR)
    if len(alternatives) > MOST_ALTERNATIVES:
        raise bad(where, f"has {len(alternatives)} alternatives, of at most {MOST_ALTERNATIVES}")
    found: dict[str, list[tuple[Filter, ...]]] = {}
    for one in alternatives:
        given, rest = _split(one.strip() if len(alternatives) > 1 else one, kinds, where)
        filters = tuple(parse(rest, given))
        if not filters:
            raise bad(where, f"{text[:100]!r}: a filter is missing")
        for kind in given:
            found.setdefault(kind, []).append(filters)
    return {kind: tuple(clause) for kind, clause in found.items()}


def _split(text: str, kinds: Sequence[str], where: str) -> tuple[Sequence[str], str]:
    """Return the kinds that a filter is for, and the filter."""
    found = re.match(r"([A-Za-z0-9]+):", text)
    if found is None:
        return [kind for kind in HOSTS if kind in kinds], text
    if found[1] not in kinds:
        raise bad(where, f"{text[:100]!r}: {found[1]} is not among the kinds asked for")
    return [found[1]], text[found.end() :]


def _field(text: str) -> FieldFilter:
    path, separator, value = text.partition("=")
    is_negated = path.endswith("!")
    path = path.removesuffix("!")
    if not separator or not path:
        raise bad("query.field", f"{text[:100]!r} must be path=value or path!=value")
    return FieldFilter(path, value, is_negated)


def _check_contradictions(clauses: Clauses) -> None:
    """Refuse one field that would have to have two values: nothing could match."""
    values: dict[tuple[str, str], str] = {}
    for kind, clause in clauses:
        match clause:
            case ((FieldFilter(path, value, is_negated=False),),):
                if values.setdefault((kind, path), value) != value:
                    both = f"{values[kind, path]!r} and {value!r}"
                    raise bad(
                        "query.field", f"{kind}: {path} cannot be both {both}; for either, write {SEPARATOR}"[:300]
                    )
