"""The commands `ticket`, `events` and `hub`: work as the provider from a terminal.

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.cli.client import Backoffice

#: The commands that change the status: the new status of each, and its help text.
MOVES: Final[dict[str, tuple[str, str]]] = {
    "acknowledge": ("acknowledged", "Acknowledge a ticket."),
    "start": ("inProgress", "Start or resume work on a ticket."),
    "hold": ("held", "Put a ticket on hold."),
    "ask": ("pending", "Ask the operator a question in a note, and wait for the answer."),
    "resolve": ("resolved", "Mark a ticket as resolved."),
    "reject": ("rejected", "Reject a ticket."),
    "cancel": ("cancelled", "Cancel a ticket."),
    "close": ("closed", "Close a resolved ticket."),
}
#: The states of an event.
STATES: Final = ("pending", "delivered", "dead")
#: Represents a member that a ticket does not have.
_NONE: Final = object()
_reason = click.option("--reason", metavar="TEXT", help="Reason for the new status.")
_limit = click.option(
    "--limit",
    type=click.IntRange(1, 1_000),
    default=20,
    show_default=True,
    metavar="N",
    help="Maximum number of rows.",
)
_whose = click.option("--operator", metavar="NAME", help="Filter by operator.")


@click.group()
def ticket() -> None:
    """Read and change tickets as the provider. ID may be the first characters of an id."""


@ticket.command(name="list")
@click.option("--status", metavar="S", help="Filter by status.")
@_whose
@_limit
@backoffice_command
def list_tickets(
    backoffice: Backoffice, *, status: str | None, operator: str | None, limit: int
) -> None:
    """List tickets, newest first."""
    wanted = {"status": status, "operator": operator, "limit": limit, "sort": "-creationDate"}
    answer = backoffice.ask("GET", "/troubleTicket", params=wanted)
    tickets = answer.json()
    for each in tickets:
        named = readable(each.get("name", ""))
        kind = each.get("ticketType", "")
        click.echo(
            f"{each['id'][:SHORT]}  {each['operator']:<12}  {each.get('status', ''):<12}"
            f"  {kind:<23}  {named}"
        )
    if not tickets:
        click.echo("No tickets match.", err=True)
    total = int(answer.headers.get("X-Total-Count", len(tickets)))
    if total > len(tickets):
        click.echo(f"{len(tickets)} of {total} tickets")


@ticket.command(name="show")
@click.argument("number", metavar="ID")
@backoffice_command
def show_ticket(backoffice: Backoffice, *, number: str) -> None:
    """Print a ticket as JSON."""
    click.echo(json.dumps(backoffice.ticket(number).contents, indent=2))


@ticket.command()
@click.argument("number", metavar="ID")
@click.argument("text")
@backoffice_command
def note(backoffice: Backoffice, *, number: str, text: str) -> None:
    """Add a note to a ticket."""
    found = backoffice.ticket(number)
    changed = backoffice.change(found, [found.noting(text)])
    click.echo(f"{found.short}: note {len(changed.contents.get('note', ()))}")
    _report(changed.complaint)


@ticket.command(name="set")
@click.argument("number", metavar="ID")
@click.argument("members", metavar="FIELD=VALUE...", nargs=-1, required=True)
@backoffice_command
def set_members(backoffice: Backoffice, *, number: str, members: Sequence[str]) -> None:
    """Set members of a ticket. A VALUE that is not JSON is sent as a string."""
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


def _move(  # noqa: PLR0913 - the options of a move
    status: str,
    backoffice: Backoffice,
    *,
    number: str,
    reason: str | None,
    text: str | None = None,
    comment: str | None = None,
    result: str | None = None,
) -> None:
    """Move a ticket to a status, with the members that belong to the change."""
    found = backoffice.ticket(number)
    if found.contents.get("status") == status:
        raise Refusal(
            f"Nothing changed: the ticket is already {status}. Use `ticket note` or `ticket set`"
            " for a change without a new status."
        )
    members = {
        "status": status,
        "statusChangeReason": reason,
        "resolutionComment": comment,
        "resolutionResult": result,
    }
    changes = [setting(name, value) for name, value in members.items() if value is not None]
    changes += [] if text is None else [found.noting(text)]
    changed = backoffice.change(found, changes)
    click.echo(f"{found.short}: {found.contents['status']} -> {changed.contents['status']}")
    _report(changed.complaint)


def _add_moves() -> None:
    """Add a command for each move."""
    for word, (status, meaning) in MOVES.items():
        move: Any = backoffice_command(partial(_move, status))
        if word == "ask":
            move = click.argument("text")(move)
        if word == "resolve":
            comment = "Comment on the resolution."
            result = "Result of the resolution."
            move = click.option("--result", metavar="TEXT", help=result)(move)
            move = click.option("--comment", metavar="TEXT", help=comment)(move)
        move = click.argument("number", metavar="ID")(_reason(move))
        ticket.command(name=word, help=meaning)(move)


_add_moves()


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
    found = backoffice.ask("GET", "/event", params=wanted).json()
    if not found:
        click.echo("No events match.", err=True)
    for each in found:
        ended = each.get("lastStatus") or each.get("lastError") or "-"
        click.echo(
            f"{each['id']}  {each['state']:<9}  {each['attempts']:>2}  {ended!s:<10}"
            f"  {each['operator']:<12}  {each['ticket'][:SHORT]}  {each['name']}"
        )


@events.command(name="show")
@click.argument("number", metavar="ID")
@backoffice_command
def show_event(backoffice: Backoffice, *, number: str) -> None:
    """Print an event and its delivery state as JSON."""
    path, about = f"/event/{backoffice.quoted(number)}", f"event {readable(number)}"
    click.echo(json.dumps(backoffice.ask("GET", path, about=about).json(), indent=2))


@events.command()
@click.argument("number", metavar="ID")
@backoffice_command
def redeliver(backoffice: Backoffice, *, number: str) -> None:
    """Send an event again."""
    path, about = f"/event/{backoffice.quoted(number)}", f"event {readable(number)}"
    backoffice.ask("POST", f"{path}/redelivery", about=about)
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
    answer = backoffice.ask("DELETE", "/event", params=params)
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
    found = backoffice.ask("GET", "/hub", params=wanted).json()
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
    path, about = f"/hub/{backoffice.quoted(number)}", f"subscription {readable(number)}"
    click.echo(json.dumps(backoffice.ask("GET", path, about=about).json(), indent=2))


@hub.command()
@click.argument("number", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@backoffice_command
def remove(backoffice: Backoffice, *, number: str, yes: bool) -> None:
    """Remove a callback and discard its waiting events. Asks for confirmation."""
    path, about = f"/hub/{backoffice.quoted(number)}", f"subscription {readable(number)}"
    found = backoffice.ask("GET", path, about=about).json()
    if not yes:
        question = (
            f"Remove the callback of {found['operator']} and discard {found['pending']} events?"
        )
        click.confirm(question, abort=True, err=True)
    backoffice.ask("DELETE", path)
    click.echo(f"callback of {found['operator']} removed")
