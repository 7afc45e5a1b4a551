"""The commands `ticket` and `events`: the provider's part, played from a terminal.

They are clients of the provider's API and know nothing else: what a ticket may become is decided by
the server, whose refusals are printed as sentences. Every change is a list of operations (RFC 6902)
made from the ticket as it was read, and is refused when somebody was quicker.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from server.asking import Backoffice, asking
from server.received import SHORT, readable

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The moves by the words for them, with the status that each leads to and what it is for.
MOVES: Final[dict[str, tuple[str, str]]] = {
    "acknowledge": ("acknowledged", "Say that a ticket has been taken up."),
    "start": ("inProgress", "Work on a ticket, for the first time or again."),
    "hold": ("held", "Let a ticket rest."),
    "ask": ("pending", "Ask the operator something, in a note, and wait for the answer."),
    "resolve": ("resolved", "Say that the trouble is over."),
    "reject": ("rejected", "Refuse a ticket."),
    "cancel": ("cancelled", "End a ticket that is not needed any more."),
    "close": ("closed", "End a ticket that is resolved."),
}
#: What may become of an event.
STATES: Final = ("pending", "delivered", "dead")
_reason = click.option("--reason", metavar="TEXT", help="Why the status changes.")
_limit = click.option(
    "--limit",
    type=click.IntRange(1, 1_000),
    default=20,
    show_default=True,
    metavar="N",
    help="How many to show at most.",
)
_whose = click.option("--operator", metavar="NAME", help="Only those of this operator.")


@click.group()
def ticket() -> None:
    """Play the provider's part: read and move tickets. ID may be the beginning of one."""


@ticket.command(name="list")
@click.option("--status", metavar="S", help="Only tickets of this status.")
@_whose
@_limit
@asking
def list_tickets(
    backoffice: Backoffice, *, status: str | None, operator: str | None, limit: int
) -> None:
    """List tickets, the newest first."""
    wanted = {"status": status, "operator": operator, "limit": limit, "sort": "-creationDate"}
    answer = backoffice.ask("GET", "/troubleTicket", params=wanted)
    tickets = answer.json()
    for each in tickets:
        named = readable(each.get("name", ""))
        kind = each.get("ticketType", "")
        click.echo(f"{each['id'][:SHORT]}  {each.get('status', ''):<12}  {kind:<23}  {named}")
    total = int(answer.headers.get("X-Total-Count", len(tickets)))
    if total > len(tickets):
        click.echo(f"{len(tickets)} of {total} tickets")


@ticket.command(name="show")
@click.argument("number", metavar="ID")
@asking
def show_ticket(backoffice: Backoffice, *, number: str) -> None:
    """Show a ticket as it is."""
    click.echo(json.dumps(backoffice.ticket(number).contents, indent=2))


@ticket.command()
@click.argument("number", metavar="ID")
@click.argument("text")
@asking
def note(backoffice: Backoffice, *, number: str, text: str) -> None:
    """Add a note to a ticket."""
    found = backoffice.ticket(number)
    after = backoffice.change(found, [found.noting(text)])
    click.echo(f"{found.short}: note {len(after['note'])}")


@ticket.command(name="set")
@click.argument("number", metavar="ID")
@click.argument("members", metavar="FIELD=VALUE...", nargs=-1, required=True)
@asking
def set_members(backoffice: Backoffice, *, number: str, members: Sequence[str]) -> None:
    """Set members of a ticket; a VALUE is JSON, or else a text."""
    pairs = [each.partition("=") for each in members]
    if not all(name and sign for name, sign, _ in pairs):
        raise click.UsageError("Give members as FIELD=VALUE.")
    found = backoffice.ticket(number)
    backoffice.change(found, [setting(name, _value(text)) for name, _, text in pairs])
    click.echo(f"{found.short}: {', '.join(name for name, _, _ in pairs)} set")


def setting(name: str, value: object) -> dict[str, Any]:
    """Return the operation that sets a member, whether it is there or not."""
    escaped = name.replace("~", "~0").replace("/", "~1")
    return {"op": "add", "path": f"/{escaped}", "value": value}


def _value(text: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError:
        return text
    return value


def _move(  # noqa: PLR0913 - what a move may say
    status: str,
    backoffice: Backoffice,
    *,
    number: str,
    reason: str | None,
    text: str | None = None,
    comment: str | None = None,
    result: str | None = None,
) -> None:
    """Move a ticket to a status, and say with it what there is to say."""
    found = backoffice.ticket(number)
    told = {
        "status": status,
        "statusChangeReason": reason,
        "resolutionComment": comment,
        "resolutionResult": result,
    }
    changes = [setting(name, value) for name, value in told.items() if value is not None]
    changes += [] if text is None else [found.noting(text)]
    after = backoffice.change(found, changes)
    click.echo(f"{found.short}: {found.contents['status']} -> {after['status']}")


def _add_moves() -> None:
    """Make a command of each move."""
    for word, (status, meaning) in MOVES.items():
        move: Any = asking(partial(_move, status))
        if word == "ask":
            move = click.argument("text")(move)
        if word == "resolve":
            comment = "A remark on the resolution."
            result = "What was decided, or done."
            move = click.option("--result", metavar="TEXT", help=result)(move)
            move = click.option("--comment", metavar="TEXT", help=comment)(move)
        move = click.argument("number", metavar="ID")(_reason(move))
        ticket.command(name=word, help=meaning)(move)


_add_moves()


@click.group()
def events() -> None:
    """See what became of events, and have one sent again."""


@events.command(name="list")
@click.option("--state", type=click.Choice(STATES), help="Only events in this state.")
@_whose
@_limit
@asking
def list_events(
    backoffice: Backoffice, *, state: str | None, operator: str | None, limit: int
) -> None:
    """List events, the newest first."""
    wanted = {"state": state, "operator": operator, "limit": limit}
    for each in backoffice.ask("GET", "/event", params=wanted).json():
        ended = each.get("lastStatus") or each.get("lastError") or "-"
        click.echo(
            f"{each['id']}  {each['state']:<9}  {each['attempts']:>2}  {ended!s:<10}"
            f"  {each['operator']:<12}  {each['ticket'][:SHORT]}  {each['name']}"
        )


@events.command(name="show")
@click.argument("number", metavar="ID")
@asking
def show_event(backoffice: Backoffice, *, number: str) -> None:
    """Show an event, and what became of it."""
    path = f"/event/{backoffice.quoted(number)}"
    click.echo(json.dumps(backoffice.ask("GET", path).json(), indent=2))


@events.command()
@click.argument("number", metavar="ID")
@asking
def redeliver(backoffice: Backoffice, *, number: str) -> None:
    """Have an event sent once more."""
    backoffice.ask("POST", f"/event/{backoffice.quoted(number)}/redelivery")
    click.echo(f"{number} is sent again")


@events.command()
@click.option(
    "--before",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z"]),
    metavar="DATE",
    help="What was settled before this day, or moment; in UTC where no offset is given.",
)
@click.option(
    "--days", type=click.IntRange(0, 36_500), metavar="N", help="What was settled N days ago."
)
@asking
def purge(backoffice: Backoffice, *, before: datetime | None, days: int | None) -> None:
    """Forget events that were delivered, or given up, long ago."""
    if (before is None) is (days is None):
        raise click.UsageError("Give either --before or --days.")
    if before is None:
        moment = datetime.now(UTC) - timedelta(days=days or 0)
    else:
        moment = before if before.tzinfo else before.replace(tzinfo=UTC)
    params = {"before": moment.isoformat().replace("+00:00", "Z")}
    answer = backoffice.ask("DELETE", "/event", params=params)
    click.echo(f"{answer.json()['purged']} events purged")
