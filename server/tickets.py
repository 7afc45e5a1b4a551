"""The operations on tickets: gather, let ttrules decide, apply.

No rule of the matrix is known here. What the provider owns is filled in (id, href, dates, the first
status, the dates of new notes), what the process does not support is left out and named in a
header, and every change is one job of the store. An operator's id goes into every question, so that
another's ticket is as one that is not there; the provider sees all, by rules of its own.
"""

from __future__ import annotations

import json
import re
import secrets
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from uuid import UUID, uuid4

import ttrules
from server import kept, outbox
from server.cursors import cursor_of
from server.errors import Refused
from server.filtering import ANY, read_fields, read_query, select_fields
from server.sentences import Told
from server.wire import JSON_PATCH, Answer, dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Connection

    from server.events import Events
    from server.filtering import Known
    from server.operators import Role
    from server.store import Store
    from server.ticket_query import Query
    from server.wire import Asked
    from ttrules import Book, Change, Finding

#: The header that names what was dropped, and how much of it fits there.
UNSUPPORTED: Final = "Ticket-Unsupported-Members"
_MOST_NAMED: Final = 4_096
#: For how long an Idempotency-Key is remembered, in microseconds.
KEPT_FOR: Final = 24 * 3_600 * 1_000_000
#: What the headers of a request may hold, as the document says.
_KEY: Final = re.compile(r"[!-~]{1,255}")
_TAG: Final = re.compile(r'(?:W/)?"[!#-~]*"')
_TAGS: Final = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")

Ticket: TypeAlias = dict[str, Any]
T = TypeVar("T")


class Tickets:
    """The operations, over a store and a book of rules.

    `wake` is called when there are events to deliver. `by` is who asks: operators, each for its own
    tickets, or the provider for those of all. `known` is what the document says of a ticket, `most`
    how many bytes a list answers at a time.
    """

    def __init__(  # noqa: PLR0913 - what a side is made of
        self,
        store: Store,
        book: Book,
        events: Events,
        wake: Callable[[], None],
        *,
        by: Role = "operator",
        known: Known = ANY,
        most: int = kept.LARGEST_PAGE,
    ) -> None:
        self._store = store
        self._book = book
        self._events = events
        self._wake = wake
        self._by: Role = by
        self._known = known
        self._most = most
        self._sees_all = by == "provider"
        assert book.lifecycle is not None, "tickets have statuses"
        self._initial = book.lifecycle.initial
        self._answering: set[tuple[str, str]] = set()

    async def create(self, asked: Asked) -> Answer:
        """POST /troubleTicket: 201 with the whole ticket."""
        key = asked.headers.get("idempotency-key")
        if key is None:
            return await self._create(asked, None)
        if _KEY.fullmatch(key) is None:
            raise Refused("invalidHeader", Told("key"))
        mark = (asked.operator, key)
        if mark in self._answering:
            raise Refused("conflict", Told("key_in_use"))
        self._answering.add(mark)
        try:
            return await self._create(asked, key)
        finally:
            self._answering.discard(mark)

    async def _create(self, asked: Asked, key: str | None) -> Answer:
        fingerprint = ""
        if key is not None:
            fingerprint = sha256(json.dumps(asked.body, sort_keys=True).encode()).hexdigest()
            earlier = await self._store.read(
                lambda c: kept.answered(c, asked.operator, key, kept.micros(asked.now)),
                by_key=True,
            )
            if earlier is not None:
                return _repeated(earlier, fingerprint)
        report = _judged(lambda: self._book.validate_new(asked.body))
        if not report.valid:
            raise _not_met(report.violations, report.warnings)
        ticket = self._new(asked, without(asked.body, dropped(report.warnings)))
        answer = _answer(201, ticket, 1, report.warnings, Location=ticket["href"])

        def job(connection: Connection) -> Answer:
            if key is not None:
                now = kept.micros(asked.now)
                again = kept.answered(connection, asked.operator, key, now)
                if again is not None:  # another process was quicker
                    return _repeated(again, fingerprint)
                kept.remember(
                    connection,
                    asked.operator,
                    key,
                    fingerprint,
                    answer,
                    now=now,
                    kept_for=KEPT_FOR,
                )
            kept.insert(connection, asked.operator, ticket)
            return answer

        return await self._store.write(job)

    async def retrieve(self, asked: Asked) -> Answer:
        """GET /troubleTicket/{id}: 200 with the ticket, or the members that are asked for."""
        fields = read_fields(asked.query, self._known)
        whole = fields is None or "attachment" in fields
        _, version, text = await self._store.read(
            lambda c: self._found(c, asked, whole=whole), by_key=True
        )
        if fields is not None:
            text = dumps(select_fields(json.loads(text), fields))
        return Answer(status=200, headers={"ETag": etag(version)}, body=text)

    async def list(self, asked: Asked) -> Answer:
        """GET /troubleTicket: 200 with a page of tickets, and how many there are."""
        query = read_query(asked.query, self._known, of_all=self._sees_all)
        operator = None if self._sees_all else asked.operator
        page = await self._store.scan(
            asked.operator,
            lambda c, deadline: kept.page(c, operator, query, most=self._most, deadline=deadline),
        )
        headers = {
            "X-Total-Count": str(page.total),
            "X-Result-Count": str(len(page.tickets)),
            "Link": _links(asked, query, page),
        }
        return Answer(status=200, headers=headers, body=b"[" + b",".join(page.tickets) + b"]")

    async def patch(self, asked: Asked) -> Answer:
        """PATCH /troubleTicket/{id}: 200 with the whole ticket as it is now."""
        if isinstance(asked.body, list) is not (asked.media_type == JSON_PATCH):
            kind = "operations" if asked.media_type == JSON_PATCH else "object"
            raise Refused("invalidBody", Told(kind, media_type=asked.media_type))
        wanted = asked.headers.get("if-match")

        def job(connection: Connection) -> Answer:
            """Change the ticket as it stands now."""
            owner, version, text = self._found(connection, asked, whole=True, to_change=True)
            if wanted is not None and not _meets(wanted, etag(version)):
                raise Refused("preconditionFailed")
            before = json.loads(text)
            # The clock may have been set back since the last change.
            moment = max(asked.now, datetime.fromisoformat(before["lastUpdate"]))
            change = _judged(lambda: self._book.validate_change(before, asked.body, by=self._by))
            after = self._after(before, change, moment)
            if after != before:
                version += 1
                kept.update(connection, owner, after, version)
                self._raise(connection, owner, before, after, version, moment)
            return _answer(200, after, version, change.report.warnings)

        answer = await self._store.write(job)
        self._wake()
        return answer

    def _found(
        self, connection: Connection, asked: Asked, *, whole: bool, to_change: bool = False
    ) -> tuple[str, int, bytes]:
        """Return whose ticket is asked for, its version and its document.

        Raises Refused(notFound); `whole` and `to_change` are those of kept.one.
        """
        number = asked.path["troubleTicketId"]
        owner = kept.owner(connection, number) if self._sees_all else asked.operator
        found = owner and kept.one(connection, owner, number, whole=whole, to_change=to_change)
        if not owner or not found:
            raise Refused("notFound")
        return owner, *found

    def _raise(  # noqa: PLR0913, PLR0917 - a change, whose it is and when
        self,
        connection: Connection,
        operator: str,
        before: Ticket,
        after: Ticket,
        version: int,
        moment: datetime,
    ) -> None:
        """Put the events of a change into the outbox, those that its operator wants to hear of."""
        has_address, query = outbox.query_of(connection, operator)
        if has_address:
            wanted = self._events.heard(query)
            between = self._events.between(
                before, after, now=stamp(moment), new_id=lambda: str(uuid4())
            )
            raised = [each for each in between if each.name in wanted]
            now = kept.micros(moment)
            outbox.enqueue(connection, operator, after["id"], version, raised=raised, now=now)

    def _new(self, asked: Asked, sent: Ticket) -> Ticket:
        """Return a new ticket: what was sent, and what the provider fills in."""
        number, now = new_number(asked.now), stamp(asked.now)
        return {
            "id": number,
            "href": f"{asked.base}/troubleTicket/{number}",
            **_with_notes(sent, now),
            "status": self._initial,
            "creationDate": now,
            "lastUpdate": now,
            "statusChangeDate": now,
        }

    def _after(self, before: Ticket, change: Change, moment: datetime) -> Ticket:
        """Return the ticket after a change. Raises Refused when it is not allowed."""
        violations = change.report.violations
        if violations:
            if all(finding.code == "transition" for finding in violations):
                raise Refused("transitionNotAllowed", violations=violations)
            raise _not_met(violations, change.report.warnings)
        now = stamp(moment)
        after = _with_notes(change.ticket, now)
        if after == before:
            return before
        if after["status"] != before["status"]:
            after["statusChangeDate"] = now
            if after["status"] == "resolved":
                after["resolutionDate"] = now
        after["lastUpdate"] = now
        return after


def new_number(moment: datetime) -> str:
    """Return an identifier for a ticket made at a moment: a UUID of version 7.

    It begins with the moment in milliseconds and ends with 74 random bits (RFC 9562, section 5.7).
    Tickets that are made together stand together in the database's indexes, which halves what it
    costs to store one; and nobody can guess another's.
    """
    milliseconds = kept.micros(moment) // 1_000
    drawn = secrets.randbits(74)
    return str(
        UUID(int=milliseconds << 80 | 7 << 76 | drawn >> 62 << 64 | 2 << 62 | drawn & (1 << 62) - 1)
    )


def _judged(judge: Callable[[], T]) -> T:
    """Return what ttrules says; what it cannot judge is a body that is not what it should be."""
    try:
        return judge()
    except (ttrules.NotJSON, ttrules.PatchNotApplicable) as error:
        raise Refused("invalidBody", Told("correct_body", why=str(error))) from error


def _not_met(violations: Iterable[Finding], warnings: Iterable[Finding]) -> Refused:
    return Refused("requirementsNotMet", violations=violations, warnings=warnings)


def dropped(warnings: Iterable[Finding]) -> list[str]:
    """Return the pointers of the members that are not stored."""
    return [each.pointer for each in warnings if each.code in {"not_supported", "unknown_field"}]


def without(payload: Ticket, pointers: Iterable[str]) -> Ticket:
    """Return a payload without the members that pointers name; the payload stays as it is."""
    removed: dict[str, Any] = {}
    for pointer in pointers:
        at = removed
        for token in pointer.split("/")[1:]:
            at = at.setdefault(token.replace("~1", "/").replace("~0", "~"), {})
    return _pruned(payload, removed) if removed else dict(payload)


def _pruned(value: Any, removed: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value without the leaves of `removed`."""
    if isinstance(value, list):
        return [_pruned(item, removed.get(str(index), {})) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    return {
        name: _pruned(item, removed.get(name, {}))
        for name, item in value.items()
        if name not in removed or removed[name]
    }


def _with_notes(ticket: Ticket, now: str) -> Ticket:
    """Return a ticket whose new notes have an id and a date; those are the provider's to give."""
    if "note" not in ticket:
        return dict(ticket)
    notes = [
        note if "notedate" in note else {"id": str(uuid4()), **note, "notedate": now}
        for note in ticket["note"]
    ]
    return {**ticket, "note": notes}


def stamp(moment: datetime) -> str:
    """Return a moment as tickets hold it: RFC 3339 in UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def etag(version: int) -> str:
    """Return the strong entity tag of a ticket's version (RFC 9110, section 8.8.3)."""
    return f'"{version}"'


def _meets(wanted: str, present: str) -> bool:
    """Say whether an If-Match holds (RFC 9110, section 13.1.1). Raises Refused where it is none."""
    if wanted.strip() == "*":
        return True
    if _TAGS.fullmatch(wanted) is None:
        raise Refused("invalidHeader", Told("if_match"))
    return present in _TAG.findall(wanted)  # by strong comparison: a weak one is another


def _answer(
    status: int, ticket: Ticket, version: int, warnings: Iterable[Finding], **headers: str
) -> Answer:
    headers["ETag"] = etag(version)
    if named := dropped(warnings):
        headers[UNSUPPORTED] = _named(named)
    return Answer(status=status, headers=headers, body=dumps(ticket))


def _named(pointers: list[str]) -> str:
    """Return pointers as a list in a header, percent-encoded where a header could not hold them."""
    # Imported here since few tickets hold what is not supported.
    from urllib.parse import quote

    words: list[str] = []
    size = 0
    for pointer in pointers:
        word = quote(pointer, safe="/@~!$&'()*+:;=")
        size += len(word) + 2
        if size > _MOST_NAMED:
            words.append("...")
            break
        words.append(word)
    return ", ".join(words)


def _repeated(earlier: kept.Earlier, fingerprint: str) -> Answer:
    """Return the answer that was given before. Raises Refused when something else was asked."""
    if earlier.fingerprint != fingerprint:
        raise Refused("keyReused")
    return earlier.answer


def _links(asked: Asked, query: Query, page: kept.Page) -> str:
    """Return the Link header of a page (RFC 8288): `next` by a cursor, all others by offset."""
    given = [part for part in asked.query.decode("latin-1").split("&") if part]
    rest = [part for part in given if part.partition("=")[0] not in {"offset", "limit", "cursor"}]

    def link(relation: str, *places: str) -> str:
        # Within the brackets of a Link nothing may end them.
        address = "&".join([*rest, *places, f"limit={query.limit}"])
        address = address.replace("<", "%3C").replace(">", "%3E").replace('"', "%22")
        return f'<{asked.base}/troubleTicket?{address}>; rel="{relation}"'

    last = max(0, (page.total - 1) // query.limit * query.limit)
    if query.after is None:
        here = f"offset={query.offset}"
    else:
        here = next(part for part in given if part.startswith("cursor="))
    links = [link("self", here), link("first", "offset=0")]
    if query.offset > 0:
        links.append(link("prev", f"offset={max(0, query.offset - query.limit)}"))
    if page.end is not None:
        links.append(link("next", f"cursor={cursor_of(query, page.end)}"))
    return ", ".join([*links, link("last", f"offset={last}")])
