"""The table of kinds: everything generic code needs to know of one.

Each family's module registers its kind when imported; ``controller.model`` imports them all.
URL paths, operation ids, CLI nouns and the key under which a resource is stored all follow from
the entry, so that no other list of kinds exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, cast

from typing_extensions import TypeVar

from controller.errors import NotFound
from controller.model.envelope import Resource

AnyResource = Resource[Any]

T = TypeVar("T", bound=AnyResource)
T_co = TypeVar("T_co", bound=AnyResource, covariant=True, default=AnyResource)


@dataclass(frozen=True)
class Key(Generic[T_co]):
    """The identity of a resource by name: kind, project (empty where the kind has none), names.

    ``Key[Compute]`` is the key of a Compute; a plain ``Key`` is the key of any resource.
    """

    kind: str
    project: str
    names: tuple[str, ...]
    """Parents' names outermost first, then the resource's own."""

    @property
    def path(self) -> str:
        """The key as stored: ``project/`` (only for kinds of a project) and the names, ``/`` between."""
        return "/".join((self.project, *self.names) if self.project else self.names)

    def __str__(self) -> str:
        return f"{self.kind} {self.path}"


@dataclass(frozen=True)
class Column:
    """A column of the CLI's table: title and dotted path into the JSON form."""

    title: str
    path: str
    wide: bool = False


@dataclass(frozen=True)
class Kind(Generic[T_co]):
    """One kind of resource."""

    model: type[T_co]
    segment: str
    """Last segment of the collection's path: ``racks``."""
    parent: str | None = None
    """Kind of the immediate parent."""
    per_project: bool = False
    user_made: bool = True
    """False: users read it only (made by the server)."""
    columns: tuple[Column, ...] = ()
    design_methods: Mapping[str, str] = field(default_factory=dict)
    """Design's method names by verb: ``{"Put": "CreateResourceFlavor UpdateResourceFlavor"}``."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """A valid document of the kind."""
    aliases: tuple[str, ...] = ()
    """Short names for the CLI."""
    has_revisions: bool = False
    plural: str = ""
    """CamelCase plural for operation ids; empty: name + ``s``."""

    @property
    def name(self) -> str:
        return self.model.__name__

    @property
    def plural_name(self) -> str:
        return self.plural or f"{self.name}s"

    @property
    def noun(self) -> str:
        """The CLI's and the modules' name of the kind: ``region_service``."""
        out = ""
        for index, letter in enumerate(self.name):
            if letter.isupper() and index and not self.name[index - 1].isupper():
                out += "_"
            out += letter.lower()
        return out

    @property
    def parents(self) -> tuple[str, ...]:
        """Field names of the parents, outermost first."""
        return self.model.parents

    @property
    def collection_path(self) -> str:
        """``/v1/datacenters/{datacenter}/racks``"""
        return f"{self._prefix()}/{self.segment}"

    @property
    def item_path(self) -> str:
        """``/v1/datacenters/{datacenter}/racks/{name}``"""
        return f"{self.collection_path}/{{name}}"

    def _prefix(self) -> str:
        if self.parent is None:
            return "/v1"
        above = get(self.parent)
        return f"{above.collection_path}/{{{self.parents[-1]}}}"

    def key(self, *names: str, project: str = "default") -> Key[T_co]:
        """Key from the parents' names and the own name."""
        return Key(self.name, project if self.per_project else "", names)

    def narrow(self, key: Key) -> Key[T_co]:
        """Return the key with the type of this kind; the key must be of this kind."""
        assert key.kind == self.name, f"{key} is not a {self.name}"
        return cast(Key[T_co], key)

    def key_of(self, resource: AnyResource) -> Key[T_co]:
        """Key of a resource of this kind."""
        return self.key(*resource.parent_names, resource.name, project=resource.project)


_KINDS: dict[str, Kind] = {}


def register(kind: Kind[T]) -> Kind[T]:
    """Add a kind; its name must be new."""
    assert kind.name not in _KINDS, f"kind {kind.name} is registered twice"
    _KINDS[kind.name] = kind
    return kind


def get(name: str) -> Kind:
    """The kind of that exact name; raises NotFound."""
    try:
        return _KINDS[name]
    except KeyError:
        raise NotFound(f"unknown kind {name!r}; known kinds: {', '.join(sorted(_KINDS))}") from None


def find(word: str) -> Kind:
    """The kind that a user means by ``word``: name, noun, path segment or alias, any case."""
    wanted = word.lower().replace("-", "_")
    for kind in _KINDS.values():
        known = (kind.name, kind.noun, kind.segment, f"{kind.noun}s", *kind.aliases)
        if wanted in {known_word.lower().replace("-", "_") for known_word in known}:
            return kind
    return get(word)


def kinds() -> Iterator[Kind]:
    """All kinds, parents before children, in order of registration."""
    return iter(_KINDS.values())


def key_of(resource: T) -> Key[T]:
    """Return the key of a resource."""
    return cast(Key[T], get(resource.kind).key_of(resource))


def parse_key(text: str) -> Key:
    """Return the key whose ``str`` is ``text``: ``Compute default/kanto/web-0``.

    Raises NotFound for an unknown kind.
    """
    kind, _, path = text.partition(" ")
    return key_of_path(kind, path)


def key_of_path(kind: str, path: str) -> Key:
    """Return the key of that kind whose ``path`` is ``path``; raises NotFound for an unknown kind."""
    parts = tuple(path.split("/"))
    return Key(kind, parts[0], parts[1:]) if get(kind).per_project else Key(kind, "", parts)
