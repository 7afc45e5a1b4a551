"""The reference page about profiles; the table of operations is that of the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from server.profile.operations import OPERATIONS
from ttrules.exports.matrix.markdown import markdown_table

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEFORE: Final = """\
# Profiles

A profile is a directory that the server serves: see
[Serve your own API](../howto/serve-your-own-api.md). The form of these keys is
[profile.schema.json](../../spec/schemas/profile.schema.json); the shipped profile is
[spec/](../../spec/profile.yaml).

## profile.yaml

| key | meaning |
|---|---|
| `profile` | the version of this form: 1 |
| `sides.operator` | the side of the clients: each sees only what it has created |
| `sides.provider` | the side that sees and changes everything; optional |
| `openapi`, `requirements` | the document and the matrix of a side |
| `interpretation`, `lifecycle` | the decisions and the lifecycle of a side; optional |

The types of both matrices are those of the operators' document. Both sides may name the same
files. A document may refer to components of files next to it.

## Operations

Every operation has `x-does`. Its `operationId` is a free name. A path has one parameter at most, the
id.
"""
_AFTER: Final = """
| key | at | meaning |
|---|---|---|
| `x-order` | the list | the member that orders a list without `sort`; it has a filter. Without it: the identifier |
| `x-columns` | the list | the members that the command `list` shows |
| `x-filters` | a parameter of the list | the member that it filters by. Several may filter one member |
| `x-indexed` | the same | `true` for an index; a text then has an enum or a `maxLength` up to 500 |
| `x-always` | the parameter `fields` of the list | members that every response has. Without it: exactly the named ones |
| `x-setting` | an operation or a tag | the setting that turns it on |

A filter compares by the type of its member: `string` as text, `date-time` as an instant, `integer`
and `number` as numbers, `boolean` as `true` or `false`. The parameters `fields`, `sort`, `offset`,
`limit`, `cursor` and, for the provider, `operator` have their meaning in every profile.

## Members

`x-filled` maps moments to what the server fills in. A member that the sender sets in the same
request is not overwritten.

| moment | when |
|---|---|
| `create` | the object is added: a new resource, or a new item of a list |
| `change` | the resource is changed in any member |
| `status-change` | its status changes |
| `status: NAME` | its status changes to this one |

| value | meaning |
|---|---|
| `identifier` | a new identifier. Exactly one member of the root has it, and no sender sets it |
| `url` | the path of the resource; only one member of the root |
| `now` | the time of the request, RFC 3339 in UTC |
| `default` | the `default` of the member |

`x-stored-apart: true` marks a large text of the root, or of an object or list that the root
contains. It is stored in a table of its own. A list has it only if `fields` names its member; an
event never has it.

## Events

The [lifecycle](../../spec/lifecycle.yaml) says what raises an event. Its triggers are `any` (the
status changes), `to` (it changes to this one), `other`, `created` and `deleted`. `carries` lists the
members of an event; `all` means every member. Without an entry an event carries the status, and a
`created` or `deleted` event everything.

The schema of an event is in a callback of the operation that subscribes: the callback has the name
of the event as its key, or its schema has this name. What follows `{$request.body#/callback}` is
added to the callback URL. `x-filled: {event: VALUE}` in the schema says what its members get:

| value | meaning |
|---|---|
| `identifier` | the identifier of the event |
| `raised`, `changed` | the time of the change |
| `name` | the name of the event |
| `title` | the description of its schema |
| `entity` | the root of the matrix |
| `fields` | the changed members, separated by commas |
| `/NAME` | this member of the resource |
| `resource` | the resource; without it, the first member that refers to the root |

In the items of `listEvents`, the member with `x-filled: {event: /NAME}` is the id of the resource.

## Names

| key | at | meaning |
|---|---|---|
| `x-noun` | `info` | what a resource is called, by language; `en` is the name of the [command group](server-cli.md) |
| `x-realm` | `info` | the realm of authentication; otherwise the title |
| `x-unsupported-members` | a header | `true` for the header that names the members that were not stored |
| `commands` | the lifecycle | the commands that change a resource: the status (`to`), and JSON Pointers to what `arguments` and `options` set. `/list/-/member` adds an item |

## The database

The table of resources has a column for each member with a filter, for the status, and for the
member that every change sets to the current time. `python -m server migrate` adds, fills and drops
columns and indexes for the profile; with SQLite the server does it at its start. A server with
PostgreSQL does not start if the columns are not those of its profile. A database with resources of
one profile is rejected by another.

`TTR_TICKETS_KEPT` deletes nothing if the profile has no lifecycle, or no member with
`x-filled: {change: now}`.
"""


def profiles() -> Iterator[str]:
    """Yield the page about profiles."""
    yield from _BEFORE.splitlines()
    yield ""
    ids = {True: "with an id", False: "without an id", None: "with or without an id"}
    yield from markdown_table(
        ("`x-does`", "method", "path", "side"),
        (
            (
                f"`{name}`",
                form.method.upper(),
                ids[form.has_id],
                " and ".join(sorted(form.roles)),
            )
            for name, form in OPERATIONS.items()
        ),
    )
    yield from _AFTER.splitlines()
