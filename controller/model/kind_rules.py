"""What generic code does with the resources of a kind: replication, access and deletion rules.

Each kind declares its rules in its own file, as part of its ``Kind``. The root, the store, the clusters and the
command line read the rules and compare no names of kinds. The defaults are those of an inventory kind: the root
stores it, every operator may write it, no cluster has a part in it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Replication:
    """How the resources of a kind pass between the root and the clusters."""

    sent_with: str = ""
    """Kind of the owner whose desired state contains the resource; the own kind for an owner that contains itself.
    Empty: the root does not send it."""
    cluster_field: str = ""
    """Dotted path of the field that names the cluster that the resource is sent to."""
    sent_where_named: bool = False
    """True: it is sent to every cluster in which a RegionService names it, with facts of the root; it has no
    ``cluster_field``."""
    placed: bool = False
    """True: the cluster places it on its nodes. The root maps the cluster's status to its own, and deletes the row
    only after the cluster has released it."""
    placed_on_many: bool = False
    """True: it may be placed on several nodes at a time, with one instance on each."""
    reported: bool = False
    """True: the cluster reports it to the root."""
    mirrored: bool = False
    """True: the cluster creates it, and the root keeps a copy for its users."""
    unique_in_cluster: bool = False
    """True: its name is unique only in its cluster. The copy's name begins with the name of the cluster."""
    status_from_cluster: bool = False
    """True: the root takes over the status that the cluster reports as it is."""
    keeps_root_facts: bool = False
    """True: what the root wrote into ``observed`` is kept in addition to what the cluster reports."""
    reported_without: tuple[str, ...] = ()
    """Fields of the spec that are not reported."""
    reported_with_cluster: bool = False
    """True: a report has the name of the cluster in ``observed``."""
    restored_when_desired: bool = False
    """True: a resource that is being deleted becomes Active when it is desired again. False: it is deleted first."""
    deleted_at_once: bool = False
    """True: the cluster deletes the row as soon as it is no longer desired; nothing has to be removed from a node."""
    first_state: str = ""
    """State of a new row in the cluster's database."""
    first_state_reason: str = ""
    """Reason of the state of a new row in the cluster's database."""


@dataclass(frozen=True)
class TopologyLine:
    """What the topology of the site contains of the resources of a kind."""

    position: int
    """The kinds are sent in the order of their positions."""
    spec: tuple[str, ...] | None = None
    """Fields of the spec that are sent; None: all."""
    observed: tuple[str, ...] = ()
    """Keys of ``observed`` that are sent."""
    with_physical_resource: bool = False
    """True: the line also has the spec of the physical resource, and the free capacity."""


@dataclass(frozen=True)
class AccessRules:
    """Which tokens may read and write the resources of a kind."""

    admin_only: bool = False
    """True: writing takes role admin for all projects."""
    right: str = ""
    """Right that writing takes (``access.TokenRight``); role admin for all projects has every right. Empty: none."""
    confidential: bool = False
    """True: reading takes role admin for all projects."""
    grants_access: bool = False
    """True: a change may revoke the access of a client that is being served."""
    names_resources: tuple[str, ...] = ()
    """Keys of ``observed`` that name resources of any project; a token for some projects does not read them."""
    subject_fields: tuple[str, str] | None = None
    """Fields of the spec with the kind and the key of the resource that a record is about: who may read that resource
    may read the record."""


@dataclass(frozen=True)
class DeletionRules:
    """How the resources of a kind are deleted."""

    by_controller: bool = False
    """True: DELETE sets the status Deleting, and a controller deletes the row when everything that belongs to the
    resource is deleted."""
    by_name: bool = False
    """True: users may delete it, although the server creates it."""
    takes_force: bool = False
    """True: DELETE takes ``force``, for what is lost and cannot be emptied."""
    with_project: bool = False
    """True: it is deleted together with its project, and does not keep the project in use."""
