"""The values of a profile: which operations exist, and what the server does with each member.

`reader` makes them from a directory, once, at the start. The rest of the server takes names of
members, paths and statuses from here only. A resource is an object of the root of the matrix.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ttrules import Rulebook
    from ttrules.lifecycle import Lifecycle

#: How the values of a member compare: as text, as integers, as numbers, or as instants.
Sort: TypeAlias = Literal["text", "number", "decimal", "instant"]
#: The role of an account, and of the side that it uses.
Role: TypeAlias = Literal["operator", "provider"]
#: What the server fills into a member.
With: TypeAlias = Literal["identifier", "url", "now", "default"]

_PARAMETER: Final = "{%s}"


class NoProvider(Exception):
    """The profile has no provider's side. `directory` is that of the profile."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory

    def __str__(self) -> str:
        """Return the message."""
        return f"Use another profile: {self.directory} has no side `provider`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of a document: what it does, and where.

    `parameter` is the name of its path parameter, which is an id; empty if it has none.
    """

    does: str
    id: str
    method: str
    path: str
    parameter: str = ""

    def path_of(self, identifier: str) -> str:
        """Return its path with an id in place of the parameter."""
        return self.path.replace(_PARAMETER % self.parameter, identifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A member with a column: how its values compare, and whether there is an index."""

    member: str
    sort: Sort
    is_indexed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What the list of a side takes.

    `filters` maps each filter parameter to its member, `sorts` each of these members to how its
    values compare. `order` is the member that orders a list by default, None for the identifier.
    `members` are the members of a resource, `values` those of its enums, `always` the members that
    `fields` never removes.
    """

    filters: Mapping[str, str] = field(default_factory=dict)
    sorts: Mapping[str, Sort] = field(default_factory=dict)
    order: str | None = None
    members: tuple[str, ...] = ()
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    always: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """What the server fills into the objects of an entity: pairs of a member and its source.

    `create` is for a new object, `below` has the Filling of the members that contain objects.
    `change`, `status_change` and `statuses` are for the root only: for any change, for a change of
    the status, and for a change to a status. `defaults` are the values of the source `default`.
    `names` are the members of `create`.
    """

    create: tuple[tuple[str, With], ...] = ()
    change: tuple[tuple[str, With], ...] = ()
    status_change: tuple[tuple[str, With], ...] = ()
    statuses: Mapping[str, tuple[tuple[str, With], ...]] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    below: Mapping[str, Filling] = field(default_factory=dict)
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What is stored: the root of the matrix, its identifier and the members with a column.

    `url` is the member with the URL, None if there is none. `apart` has the texts that are stored
    apart: for each member of the root None, or the member of its objects that is the text.
    `moment` is the member that every change sets to the current time, None if there is none.
    `order` is the member that orders a list by default, None for the identifier.
    """

    root: str
    identifier: str
    url: str | None
    moment: str | None
    columns: tuple[Column, ...]
    order: str | None
    apart: Mapping[str, str | None]
    filling: Filling

    def outside(self, name: str, value: Any) -> Any:
        """Return the value of a member without the texts that are stored apart, or None."""
        if name not in self.apart:
            return value
        inner = self.apart[name]
        if inner is None:
            return None
        if isinstance(value, list):
            return [_without(inner, item) for item in value]
        return _without(inner, value)


def _without(name: str, value: Any) -> Any:
    """Return an object without a member, or another value as it is."""
    if not isinstance(value, dict):
        return value
    return {key: each for key, each in value.items() if key != name}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventType:
    """One event: when it is raised, what it carries, and its envelope.

    `trigger` is that of the lifecycle. `carries` are the members of the resource, None for those
    that have changed. `path` is added to the callback URL. `envelope` maps the members of the
    event to their sources, in the order in which they are written; `resource` is the place of the
    resource. `title` describes the event.
    """

    name: str
    trigger: Mapping[str, Any]
    carries: tuple[str, ...] | None
    path: str
    envelope: tuple[tuple[str, str], ...]
    resource: tuple[str, ...]
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command that changes a resource: the new status, and what it writes where (pointers)."""

    name: str
    help: str
    to: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One side of the API: a role, its document with all components, and its rules.

    `state_id` is the member that names the resource in the delivery state of an event.
    `unsupported` is the header that names the members that were not stored, None for none.
    `shown` are the members that a list on the terminal shows.
    """

    role: Role
    document: Mapping[str, Any]
    book: Rulebook
    base: str
    operations: tuple[Operation, ...]
    listing: Listing
    state_id: str
    unsupported: str | None
    shown: tuple[str, ...] = ()

    def all_of(self, does: str) -> tuple[Operation, ...]:
        """Return the operations that do something."""
        return tuple(each for each in self.operations if each.does == does)

    def find(self, does: str) -> Operation | None:
        """Return the first operation that does something, or None."""
        return next(iter(self.all_of(does)), None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """The API that the server serves. `noun` is the English name of a resource."""

    directory: Path
    title: str
    realm: str
    noun: str
    operator: Side
    provider: Side | None
    resource: Resource
    events: tuple[EventType, ...]
    always: tuple[str, ...]
    commands: tuple[Command, ...]

    @property
    def sides(self) -> tuple[Side, ...]:
        """The sides, that of the operators first."""
        return (self.operator,) if self.provider is None else (self.operator, self.provider)

    @property
    def lifecycle(self) -> Lifecycle | None:
        """The lifecycle of a resource, or None."""
        return self.operator.book.lifecycle

    @property
    def resource_path(self) -> str:
        """The path below which resources are: their URLs are this, a slash and the id."""
        for does in ("read", "change", "delete", "create", "list"):
            if (found := self.operator.find(does)) is not None:
                return found.path.partition("/{")[0]
        return ""
