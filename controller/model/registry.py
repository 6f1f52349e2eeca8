"""The registry of kinds: all that generic code needs to know of a kind.

The module of each family registers its kinds on import; ``controller.model`` imports all of them. URL paths, operation
ids, CLI nouns and the keys of stored resources follow from the entry, so that no other list of kinds exists.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic

from typing_extensions import TypeVar

from controller.errors import NotFound
from controller.model.envelope import Resource
from controller.model.kind_rules import AccessRules, DeletionRules, Replication, TopologyLine
from controller.resource_name import ResourceName

AnyResource = Resource[Any]

T = TypeVar("T", bound=AnyResource)
T_co = TypeVar("T_co", bound=AnyResource, covariant=True, default=AnyResource)


@dataclass(frozen=True)
class Key(ResourceName, Generic[T_co]):
    """The name of a resource whose model is known: ``Key[Compute]`` of a Compute, a plain ``Key`` of any resource."""


@dataclass(frozen=True)
class Column:
    """A column of the CLI's table: a title and a dotted path in the JSON form."""

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
    """False: the server creates it, and users only read it."""
    columns: tuple[Column, ...] = ()
    design_methods: Mapping[str, str] = field(default_factory=dict)
    """Method names of the design by verb: ``{"Put": "CreateResourceFlavor UpdateResourceFlavor"}``."""
    example: Mapping[str, Any] = field(default_factory=dict)
    """A valid document of the kind."""
    aliases: tuple[str, ...] = ()
    """Short names for the CLI."""
    has_revisions: bool = False
    plural: str = ""
    """CamelCase plural for operation ids; empty: name + ``s``."""
    replication: Replication = field(default_factory=Replication)
    access: AccessRules = field(default_factory=AccessRules)
    deletion: DeletionRules = field(default_factory=DeletionRules)
    topology: TopologyLine | None = None
    """None: the topology of the site does not contain the kind."""
    created_with: Mapping[str, str] = field(default_factory=dict)
    """Server-set fields of a new resource in the root's database, until its controller or its agent acts."""
    service_field: str = ""
    """Dotted path of the field that names the RegionService that the resource belongs to."""
    service_of_name: Callable[[str], str] | None = None
    """Return the name of the RegionService from the name of a resource that belongs to it, or that is it."""
    supplies_addresses: bool = False
    """True: a change may give an address to a service that got none."""
    defines_failure_domains: bool = False
    """True: a change may change the failure domains of nodes."""
    has_impact: bool = False
    """True: users may ask what fails together with the resource."""
    contains_by_project: bool = False
    """True: it is a project: it contains the resources whose ``project`` is its name."""
    preset: bool = False
    """True: a new database already has one."""

    @property
    def name(self) -> str:
        return self.model.__name__

    @property
    def plural_name(self) -> str:
        return self.plural or f"{self.name}s"

    @property
    def noun(self) -> str:
        """Return the name of the kind in the CLI and the modules: ``region_service``."""
        out = ""
        for index, letter in enumerate(self.name):
            if letter.isupper() and index and not self.name[index - 1].isupper():
                out += "_"
            out += letter.lower()
        return out

    @property
    def parents(self) -> tuple[str, ...]:
        """Return the field names of the parents, outermost first."""
        return self.model.parents

    @property
    def collection_path(self) -> str:
        """Return the path of the collection: ``/v1/datacenters/{datacenter}/racks``."""
        return f"{self._prefix()}/{self.segment}"

    @property
    def item_path(self) -> str:
        """Return the path of a resource: ``/v1/datacenters/{datacenter}/racks/{name}``."""
        return f"{self.collection_path}/{{name}}"

    def _prefix(self) -> str:
        if self.parent is None:
            return "/v1"
        above = get(self.parent)
        return f"{above.collection_path}/{{{self.parents[-1]}}}"

    def key(self, *names: str, project: str = "default") -> Key[T_co]:
        """Return the key with those names: the parents', outermost first, then the own."""
        return Key(self.name, project if self.per_project else "", names)

    def service_name(self, resource: AnyResource) -> str:
        """Return the name of the RegionService that the resource belongs to; empty if it belongs to none."""
        return read_field(resource, self.service_field) if self.service_field else ""

    def cluster_name(self, resource: AnyResource) -> str:
        """Return the name of the cluster that the resource is sent to; empty if there is none yet."""
        path = self.replication.cluster_field
        return read_field(resource, path) if path else ""

    def narrow(self, key: Key) -> Key[T_co]:
        """Return the key with the type of this kind; the key must be of this kind."""
        assert key.kind == self.name, f"{key} is not a {self.name}"
        return Key(self.name, key.project, key.names)

    def key_of(self, resource: AnyResource) -> Key[T_co]:
        """Return the key of a resource of this kind."""
        return self.key(*resource.parent_names, resource.name, project=resource.project)


_KINDS: dict[str, Kind[Any]] = {}


def read_field(resource: AnyResource, path: str) -> str:
    """Return the field with that dotted path as text; empty if it is not set."""
    value: object = resource
    for step in path.split("."):
        value = value.get(step) if isinstance(value, Mapping) else getattr(value, step, None)
    return "" if value is None else str(value)


def register(kind: Kind[T]) -> Kind[T]:
    """Register a kind; its name must be new."""
    assert kind.name not in _KINDS, f"kind {kind.name} is registered twice"
    _KINDS[kind.name] = kind
    return kind


def get(name: str) -> Kind:
    """Return the kind of that exact name; raises NotFound."""
    try:
        return _KINDS[name]
    except KeyError:
        raise NotFound(f"unknown kind {name!r}; known kinds: {', '.join(sorted(_KINDS))}") from None


def kinds() -> Iterator[Kind]:
    """Return all kinds in order of registration: parents before children."""
    return iter(_KINDS.values())


def key_of(resource: T) -> Key[T]:
    """Return the key of a resource."""
    project = resource.project if get(resource.kind).per_project else ""
    return Key(resource.kind, project, (*resource.parent_names, resource.name))


def model_of(key: Key[T]) -> type[T]:
    """Return the model of a key's kind. A ``Key[T]`` is made by the ``Kind[T]`` of its name, so the type holds."""
    model: type[T] = _KINDS[key.kind].model
    return model


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
