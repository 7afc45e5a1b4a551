"""The commands `ticket`, `events` and `hub`: the provider's part, played from a terminal.

They are clients of the provider's API and know nothing else: what a ticket may become is decided by
the server, whose refusals are printed as sentences. Every change is a list of operations (RFC 6902)
with the entity tag of the ticket as it was read, and is refused when somebody was quicker. A
command that did not do all that was asked says so and ends with exit code 1.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from server.asking import Backoffice, Refusal, asking
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
#: Stands for a member that a ticket does not have.
_NONE: Final = object()
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
    changed = backoffice.change(found, [found.noting(text)])
    click.echo(f"{found.short}: note {len(changed.contents.get('note', ()))}")
    _complain(changed.complaint)


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
    changed = backoffice.change(found, [setting(name, _value(text)) for name, _, text in pairs])
    names = dict.fromkeys(name for name, _, _ in pairs)
    dropped = {_unescaped(each.split("/")[1]) for each in changed.dropped if "/" in each}
    before, after = found.contents, changed.contents
    was_set = [name for name in names if before.get(name, _NONE) != after.get(name, _NONE)]
    if was_set:
        click.echo(f"{found.short}: {', '.join(was_set)} set")
    same = [name for name in names if name not in was_set and name not in dropped]
    _complain(
        f"Nothing to change: {', '.join(same)} had this value already." if same else None,
        changed.complaint,
    )


def setting(name: str, value: object) -> dict[str, Any]:
    """Return the operation that sets a member, whether it is there or not."""
    escaped = name.replace("~", "~0").replace("/", "~1")
    return {"op": "add", "path": f"/{escaped}", "value": value}


def _unescaped(token: str) -> str:
    """Return a member name as a pointer (RFC 6901) has it, without escapes."""
    return token.replace("~1", "/").replace("~0", "~")


def _complain(*sentences: str | None) -> None:
    """Raise Refusal of what was not done, if there is any."""
    if told := [each for each in sentences if each is not None]:
        raise Refusal(*told)


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
    if found.contents.get("status") == status:
        raise Refusal(
            f"Nothing was changed: the ticket is {status} already. Use `ticket note` or `ticket"
            " set` for a change without a new status."
        )
    told = {
        "status": status,
        "statusChangeReason": reason,
        "resolutionComment": comment,
        "resolutionResult": result,
    }
    changes = [setting(name, value) for name, value in told.items() if value is not None]
    changes += [] if text is None else [found.noting(text)]
    changed = backoffice.change(found, changes)
    click.echo(f"{found.short}: {found.contents['status']} -> {changed.contents['status']}")
    _complain(changed.complaint)


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
@asking
def show_event(backoffice: Backoffice, *, number: str) -> None:
    """Show an event, and what became of it."""
    path, about = f"/event/{backoffice.quoted(number)}", f"event {readable(number)}"
    click.echo(json.dumps(backoffice.ask("GET", path, about=about).json(), indent=2))


@events.command()
@click.argument("number", metavar="ID")
@asking
def redeliver(backoffice: Backoffice, *, number: str) -> None:
    """Have an event sent once more."""
    path, about = f"/event/{backoffice.quoted(number)}", f"event {readable(number)}"
    backoffice.ask("POST", f"{path}/redelivery", about=about)
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
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@asking
def purge(backoffice: Backoffice, *, before: datetime | None, days: int | None, yes: bool) -> None:
    """Forget events that were delivered, or given up, long ago. Asks before it does."""
    if (before is None) is (days is None):
        raise click.UsageError("Give either --before or --days.")
    if before is None:
        moment = datetime.now(UTC) - timedelta(days=days or 0)
    else:
        moment = before if before.tzinfo else before.replace(tzinfo=UTC)
    params = {"before": moment.isoformat(timespec="seconds").replace("+00:00", "Z")}
    if not yes:
        question = f"Forget all events that were settled before {params['before']} for good?"
        click.confirm(question, abort=True, err=True)
    answer = backoffice.ask("DELETE", "/event", params=params)
    click.echo(f"{answer.json()['purged']} events purged")


@click.group()
def hub() -> None:
    """See where events of each operator are sent, and remove a callback."""


@hub.command(name="list")
@_whose
@_limit
@asking
def list_subscriptions(backoffice: Backoffice, *, operator: str | None, limit: int) -> None:
    """List subscriptions, by the names of their operators."""
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
@asking
def show_subscription(backoffice: Backoffice, *, number: str) -> None:
    """Show a subscription and its state."""
    path, about = f"/hub/{backoffice.quoted(number)}", f"subscription {readable(number)}"
    click.echo(json.dumps(backoffice.ask("GET", path, about=about).json(), indent=2))


@hub.command()
@click.argument("number", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@asking
def remove(backoffice: Backoffice, *, number: str, yes: bool) -> None:
    """Remove a callback, and discard the events that wait for it. Asks before it does."""
    path, about = f"/hub/{backoffice.quoted(number)}", f"subscription {readable(number)}"
    found = backoffice.ask("GET", path, about=about).json()
    if not yes:
        question = (
            f"Remove the callback of {found['operator']} and discard {found['pending']} events?"
        )
        click.confirm(question, abort=True, err=True)
    backoffice.ask("DELETE", path)
    click.echo(f"callback of {found['operator']} removed")
