"""The commands `ticket`, `events` and `hub`: work as the provider from a terminal.

The first is named by the noun of the profile, and has the commands that its lifecycle names.

They are clients of the provider's API. The server decides which changes a ticket allows, and its
error messages are printed. Every change is a JSON Patch (RFC 6902) with the entity tag of the
ticket, so it is rejected if another client changed the ticket first. A command that did not do all
that was requested reports it and exits with code 1.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from server.cli.client import Backoffice, Refusal, backoffice_command
from server.cli.journal import SHORT, readable
from server.profile.members import OPERATOR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.profile.model import Command, Profile

#: The states of an event.
STATES: Final = ("pending", "delivered", "dead")
#: Represents a member that a ticket does not have.
_NONE: Final = object()
_limit = click.option(
    "--limit",
    type=click.IntRange(1, 1_000),
    default=20,
    show_default=True,
    metavar="N",
    help="Maximum number of rows.",
)
_whose = click.option("--operator", metavar="NAME", help="Filter by operator.")


#: The widest column of a list.
_WIDEST: Final = 32


def resource_group(profile: Profile) -> click.Group:
    """Return the commands on the resources of a profile: list, show, set, and those it names."""
    noun = profile.noun
    title = noun[:1].upper() + noun[1:]
    about = f"Read and change {noun}s as the provider. ID may be the first characters of an id."
    group = click.Group("-".join(noun.lower().split()), help=about)
    _add_list(group, profile)
    number = click.argument("number", metavar="ID")
    group.command(name="show", help=f"Print a {noun} as JSON.")(
        number(backoffice_command(_show_resource))
    )
    members = click.argument("members", metavar="FIELD=VALUE...", nargs=-1, required=True)
    about = f"Set members of a {noun}. A VALUE that is not JSON is sent as a string."
    group.command(name="set", help=about)(number(members(backoffice_command(_set_members))))
    delete = f"Delete a {noun}. Asks for confirmation."
    yes = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
    if profile.provider is not None and profile.provider.find("delete") is not None:
        group.command(name="delete", help=delete)(
            number(yes(backoffice_command(partial(_delete_resource, title))))
        )
    for each in profile.commands:
        _add_command(group, profile, each)
    return group


def _add_list(group: click.Group, profile: Profile) -> None:
    """Add the command that lists resources."""
    noun, side, cycle = profile.noun, profile.provider or profile.operator, profile.lifecycle
    filters = side.listing.filters
    status = None if cycle is None else cycle.field
    by_status = next((name for name, member in filters.items() if member == status), None)
    newest = next((n for n, member in filters.items() if member == side.listing.order), None)
    command: Any = backoffice_command(partial(_list_resources, by_status, newest))
    command = _whose(_limit(command))
    if by_status is not None:
        command = click.option("--status", metavar="S", help="Filter by status.")(command)
    group.command(name="list", help=f"List {noun}s, newest first.")(command)


def _list_resources(
    by_status: str | None,
    newest: str | None,
    backoffice: Backoffice,
    *,
    operator: str | None,
    limit: int,
    status: str | None = None,
) -> None:
    """List resources."""
    profile, side = backoffice.profile, backoffice.side
    wanted: dict[str, Any] = {OPERATOR: operator, "limit": limit}
    if by_status is not None:
        wanted[by_status] = status
    if newest is not None:
        wanted["sort"] = f"-{newest}"
    answer = backoffice.ask("GET", backoffice.path("list"), params=wanted)
    found = answer.json()
    widths = [_width(side.listing.values.get(name)) for name in side.shown]
    for each in found:
        cells = [
            f"{readable(each.get(name, '')):<{width}}"
            for name, width in zip(side.shown, widths, strict=True)
        ]
        number = each[profile.resource.identifier][:SHORT]
        click.echo("  ".join([number, f"{each[OPERATOR]:<12}", *cells]).rstrip())
    if not found:
        click.echo(f"No {profile.noun}s match.", err=True)
    total = int(answer.headers.get("X-Total-Count", len(found)))
    if total > len(found):
        click.echo(f"{len(found)} of {total} {profile.noun}s")


def _width(values: Sequence[str] | None) -> int:
    """Return the width of a column with one of these values, or with any text."""
    return min(max(map(len, values)), _WIDEST) if values else 0


def _show_resource(backoffice: Backoffice, *, number: str) -> None:
    """Print a resource as JSON."""
    click.echo(json.dumps(backoffice.ticket(number).contents, indent=2))


def _delete_resource(title: str, backoffice: Backoffice, *, number: str, yes: bool) -> None:
    """Delete a resource."""
    found = backoffice.ticket(number)
    if not yes:
        click.confirm(f"Delete {found.number}?", abort=True, err=True)
    headers = {} if found.etag is None else {"If-Match": found.etag}
    backoffice.ask("DELETE", backoffice.path("delete", found.number), headers=headers)
    click.echo(f"{title} {found.short} deleted")


def _set_members(backoffice: Backoffice, *, number: str, members: Sequence[str]) -> None:
    """Set members of a resource."""
    pairs = [each.partition("=") for each in members]
    if not all(name and sign for name, sign, _ in pairs):
        raise click.UsageError("Give members as FIELD=VALUE.")
    found = backoffice.ticket(number)
    changed = backoffice.change(found, [setting(name, _value(text)) for name, _, text in pairs])
    names = dict.fromkeys(name for name, _, _ in pairs)
    dropped = {_unescaped(each.split("/")[1]) for each in changed.dropped if "/" in each}
    before, after = found.contents, changed.contents
    was_set = [name for name in names if before.get(name, _NONE) != after.get(name, _NONE)]
    if was_set:
        click.echo(f"{found.short}: {', '.join(was_set)} set")
    same = [name for name in names if name not in was_set and name not in dropped]
    _report(
        f"Nothing changed: {', '.join(same)} already had this value." if same else None,
        changed.complaint,
    )


def setting(name: str, value: object) -> dict[str, Any]:
    """Return the JSON Patch operation that sets a member, whether it exists or not."""
    escaped = name.replace("~", "~0").replace("/", "~1")
    return {"op": "add", "path": f"/{escaped}", "value": value}


def _unescaped(token: str) -> str:
    """Return a member name from a JSON Pointer (RFC 6901) without its escapes."""
    return token.replace("~1", "/").replace("~0", "~")


def _report(*sentences: str | None) -> None:
    """Raise Refusal with the sentences about what was not done, if there are any."""
    if lines := [each for each in sentences if each is not None]:
        raise Refusal(*lines)


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def _operation(place: str, value: str) -> dict[str, Any]:
    """Return the JSON Patch operation that writes a text: to a member, or to a new item's."""
    head, sign, member = place.partition("/-/")
    if not sign:
        return {"op": "add", "path": place, "value": value}
    return {"op": "add", "path": f"{head}/-", "value": {member: value}}


def _run_command(
    command: Command, backoffice: Backoffice, *, number: str, **given: str | None
) -> None:
    """Change a resource as a command of the lifecycle says."""
    found, cycle, noun = (
        backoffice.ticket(number),
        backoffice.profile.lifecycle,
        backoffice.profile.noun,
    )
    field = "" if cycle is None else cycle.field
    if command.to is not None and found.contents.get(field) == command.to:
        raise Refusal(
            f"Nothing changed: the {noun} is already {command.to}. Use `{noun} set`"
            " for a change without a new status."
        )
    changes = [] if command.to is None else [setting(field, command.to)]
    places = {_key(name): place for name, place in {**command.arguments, **command.options}.items()}
    # In the order of the lifecycle: options first, then what is added to a list.
    for name, place in sorted(places.items(), key=lambda each: "/-/" in each[1]):
        if (value := given[name]) is not None:
            changes.append(_operation(place, value))
    changed = backoffice.change(found, changes)
    if command.to is not None:
        click.echo(f"{found.short}: {found.contents[field]} -> {changed.contents[field]}")
    else:
        listed = [place[1:].partition("/")[0] for place in command.arguments.values()]
        for name in dict.fromkeys(listed):
            value = changed.contents.get(name)
            shown = len(value) if isinstance(value, list) else readable(value)
            click.echo(f"{found.short}: {name} {shown}")
    _report(changed.complaint)


def _key(name: str) -> str:
    """Return the name of a parameter of click: one that no other parameter has."""
    return f"given_{name.replace('-', '_')}"


def _add_command(group: click.Group, profile: Profile, command: Command) -> None:
    """Add a command of the lifecycle."""
    fields = profile.operator.book.matrix.root_fields
    run: Any = backoffice_command(partial(_run_command, command))
    for name in reversed([*command.arguments]):
        run = click.argument(_key(name), metavar=name.upper())(run)
    for name, place in reversed([*command.options.items()]):
        row = fields.get(place[1:].partition("/")[0])
        about = row.description if row is not None else ""
        run = click.option(f"--{name}", _key(name), metavar="TEXT", help=about)(run)
    run = click.argument("number", metavar="ID")(run)
    group.command(name=command.name, help=command.help)(run)


@click.group()
def events() -> None:
    """List, show, resend and purge events."""


@events.command(name="list")
@click.option("--state", type=click.Choice(STATES), help="Filter by state.")
@_whose
@_limit
@backoffice_command
def list_events(
    backoffice: Backoffice, *, state: str | None, operator: str | None, limit: int
) -> None:
    """List events, newest first."""
    wanted = {"state": state, "operator": operator, "limit": limit}
    found = backoffice.ask("GET", backoffice.path("listEvents"), params=wanted).json()
    if not found:
        click.echo("No events match.", err=True)
    for each in found:
        ended = each.get("lastStatus") or each.get("lastError") or "-"
        click.echo(
            f"{each['id']}  {each['state']:<9}  {each['attempts']:>2}  {ended!s:<10}"
            f"  {each['operator']:<12}  {each[backoffice.side.state_id][:SHORT]}  {each['name']}"
        )


@events.command(name="show")
@click.argument("number", metavar="ID")
@backoffice_command
def show_event(backoffice: Backoffice, *, number: str) -> None:
    """Print an event and its delivery state as JSON."""
    path, about = backoffice.path("readEvent", number), f"event {readable(number)}"
    click.echo(json.dumps(backoffice.ask("GET", path, about=about).json(), indent=2))


@events.command()
@click.argument("number", metavar="ID")
@backoffice_command
def redeliver(backoffice: Backoffice, *, number: str) -> None:
    """Send an event again."""
    path, about = backoffice.path("redeliverEvent", number), f"event {readable(number)}"
    backoffice.ask("POST", path, about=about)
    click.echo(f"{number} is sent again")


@events.command()
@click.option(
    "--before",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z"]),
    metavar="DATE",
    help="Purge events that were delivered or failed before this date or date-time (default: UTC).",
)
@click.option(
    "--days",
    type=click.IntRange(0, 36_500),
    metavar="N",
    help="Purge events that were delivered or failed N days ago.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@backoffice_command
def purge(backoffice: Backoffice, *, before: datetime | None, days: int | None, yes: bool) -> None:
    """Delete old events that were delivered or have failed. Asks for confirmation."""
    if (before is None) is (days is None):
        raise click.UsageError("Give either --before or --days.")
    if before is None:
        moment = datetime.now(UTC) - timedelta(days=days or 0)
    else:
        moment = before if before.tzinfo else before.replace(tzinfo=UTC)
    params = {"before": moment.isoformat(timespec="seconds").replace("+00:00", "Z")}
    if not yes:
        question = f"Delete all events that were delivered or failed before {params['before']}?"
        click.confirm(question, abort=True, err=True)
    answer = backoffice.ask("DELETE", backoffice.path("purgeEvents"), params=params)
    click.echo(f"{answer.json()['purged']} events purged")


@click.group()
def hub() -> None:
    """List and show the callbacks of operators, and remove one."""


@hub.command(name="list")
@_whose
@_limit
@backoffice_command
def list_subscriptions(backoffice: Backoffice, *, operator: str | None, limit: int) -> None:
    """List subscriptions, ordered by operator."""
    wanted = {"operator": operator, "limit": limit}
    found = backoffice.ask("GET", backoffice.path("listSubscriptions"), params=wanted).json()
    if not found:
        click.echo("No subscriptions match.", err=True)
    for each in found:
        ended = each.get("lastStatus") or each.get("lastError") or "-"
        click.echo(
            f"{each['id']}  {each['operator']:<12}  {each['state']:<9}  {each['pending']:>5}"
            f"  {ended!s:<10}  {readable(each['callback'])}"
        )


@hub.command(name="show")
@click.argument("number", metavar="ID")
@backoffice_command
def show_subscription(backoffice: Backoffice, *, number: str) -> None:
    """Print a subscription and its state as JSON."""
    path, about = backoffice.path("readSubscription", number), f"subscription {readable(number)}"
    click.echo(json.dumps(backoffice.ask("GET", path, about=about).json(), indent=2))


@hub.command()
@click.argument("number", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@backoffice_command
def remove(backoffice: Backoffice, *, number: str, yes: bool) -> None:
    """Remove a callback and discard its waiting events. Asks for confirmation."""
    path, about = backoffice.path("readSubscription", number), f"subscription {readable(number)}"
    found = backoffice.ask("GET", path, about=about).json()
    if not yes:
        question = (
            f"Remove the callback of {found['operator']} and discard {found['pending']} events?"
        )
        click.confirm(question, abort=True, err=True)
    backoffice.ask("DELETE", backoffice.path("unsubscribe", number))
    click.echo(f"callback of {found['operator']} removed")
