"""The operations on tickets: gather, let ttrules decide, apply.

No rule of the matrix is known here. What the provider owns is filled in (id, href, dates, the first
status, the dates of new notes), what the process does not support is left out and named in a
header, and every change is one job of the store. An operator's id goes into every question, so that
another's ticket is as one that is not there; the provider sees all, by rules of its own.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import secrets
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar
from uuid import UUID, uuid4

import ttrules
from server import kept, outbox
from server.errors import Refused
from server.filtering import read_fields, read_query, select_fields
from server.sentences import Told
from server.wire import JSON_PATCH, Answer, dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from server.events import Event, Events
    from server.filtering import Query
    from server.kept import Stored
    from server.operators import Role
    from server.store import Store
    from server.validation import Validation
    from server.wire import Asked
    from ttrules import Book, Change, Finding

#: The header that names what was dropped, and how much of it fits there.
UNSUPPORTED: Final = "Ticket-Unsupported-Members"
_MOST_NAMED: Final = 4_096
#: For how long an Idempotency-Key is remembered, in microseconds.
KEPT_FOR: Final = 24 * 3_600 * 1_000_000
#: How long to wait at most before a change is tried again that another process was quicker than, in
#: seconds: some 4 s altogether.
_PAUSES: Final = (*(0.002 * 2**turn for turn in range(7)), *[0.2] * 35)
#: What the headers of a request may hold, as the document says.
_KEY: Final = re.compile(r"[!-~]{1,255}")
_TAG: Final = re.compile(r'(?:W/)?"[!#-~]*"')
_TAGS: Final = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")

Ticket: TypeAlias = dict[str, Any]
T = TypeVar("T")


class Tickets:
    """The operations, over a store and a book of rules.

    `wake` is called when there are events to deliver. `by` is who asks: operators, each for its own
    tickets, or the provider for those of all.
    """

    def __init__(  # noqa: PLR0913 - what it works with
        self,
        store: Store,
        book: Book,
        events: Events,
        wake: Callable[[], None],
        validation: Validation,
        *,
        by: Role = "operator",
    ) -> None:
        self._store = store
        self._validation = validation
        self._book = book
        self._events = events
        self._wake = wake
        self._by: Role = by
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
            fingerprint = await self._run(asked, partial(_fingerprint, asked.body))
            earlier = await self._store.read(
                lambda c: kept.answered(c, asked.operator, key, kept.micros(asked.now)),
                by_key=True,
            )
            if earlier is not None:
                return _repeated(earlier, fingerprint)
        row, answer = await self._run(asked, partial(self._created, asked))

        def job(connection: Connection) -> Answer:
            if key is not None:
                now = kept.micros(asked.now)
                is_new = kept.remember(
                    connection,
                    asked.operator,
                    key,
                    fingerprint,
                    answer,
                    now=now,
                    kept_for=KEPT_FOR,
                )
                if not is_new:  # another process was quicker
                    earlier = kept.answered(connection, asked.operator, key, now)
                    if earlier is None:
                        raise Refused("conflict", Told("key_in_use"))
                    return _repeated(earlier, fingerprint)
            kept.insert(connection, asked.operator, row)
            return answer

        return await self._store.write(job)

    def _created(self, asked: Asked) -> tuple[kept.Row, Answer]:
        """Return the ticket that a body asks for, and the answer. Raises Refused."""
        report = _judged(lambda: self._book.validate_new(asked.body))
        if not report.valid:
            raise _not_met(report.violations, report.warnings)
        ticket = self._new(asked, without(asked.body, dropped(report.warnings)))
        answer = _answer(201, ticket, 1, report.warnings, Location=ticket["href"])
        return kept.row_of(ticket), answer

    async def _run(self, asked: Asked, work: Callable[[], T], *, is_small: bool = True) -> T:
        """Return what `work` returns; a large body is handled beside the event loop."""
        if is_small and asked.is_small:
            return work()
        return await self._validation.run(asked.operator, work)

    async def retrieve(self, asked: Asked) -> Answer:
        """GET /troubleTicket/{id}: 200 with the ticket, or the members that are asked for."""
        fields = read_fields(asked.query)
        _, stored = await self._store.read(
            lambda c: self._found(c, asked, whole=fields is None), by_key=True
        )
        if fields is None and not stored.contents:
            text = stored.document()
        else:
            shown = partial(_shown, stored, fields)
            text = await self._run(asked, shown, is_small=stored.is_small)
        return Answer(status=200, headers={"ETag": etag(stored.version)}, body=text)

    async def list(self, asked: Asked) -> Answer:
        """GET /troubleTicket: 200 with a page of tickets, and how many there are."""
        query = read_query(asked.query, of_all=self._sees_all)
        operator = None if self._sees_all else asked.operator
        total, texts = await self._store.read(lambda c: kept.page(c, operator, query))
        if query.fields is not None:
            texts = [dumps(select_fields(json.loads(text), query.fields)) for text in texts]
        headers = {
            "X-Total-Count": str(total),
            "X-Result-Count": str(len(texts)),
            "Link": _links(asked, query, total),
        }
        return Answer(status=200, headers=headers, body=b"[" + b",".join(texts) + b"]")

    async def patch(self, asked: Asked) -> Answer:
        """PATCH /troubleTicket/{id}: 200 with the whole ticket as it is now."""
        if isinstance(asked.body, list) is not (asked.media_type == JSON_PATCH):
            kind = "operations" if asked.media_type == JSON_PATCH else "object"
            raise Refused("invalidBody", Told(kind, media_type=asked.media_type))
        async with self._validation.lock(asked.path["troubleTicketId"]):
            answer = await self._patch(asked)
        self._wake()
        return answer

    async def _patch(self, asked: Asked) -> Answer:
        """Change the ticket as it is now; where another process is quicker, as it is then.

        Nothing is locked while the change is computed: it is stored only if the ticket is still the
        version that it was computed from.
        """
        change: _Changed | None = None
        for pause in _PAUSES:
            owner, before = await self._store.read(
                lambda c: self._found(c, asked, whole=True), by_key=True
            )
            _require(asked.headers.get("if-match"), etag(before.version))
            if change is None or change.before.version != before.version:
                work = partial(self._changed, asked, before)
                is_small = before.is_small and not _copies(asked.body)
                change = await self._run(asked, work, is_small=is_small)
            if change.row is None:
                return change.answer
            if await self._store.write(partial(self._store_change, asked, owner, change)):
                return change.answer
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
        raise Refused("unavailable", headers={"Retry-After": "1"})

    def _found(self, connection: Connection, asked: Asked, *, whole: bool) -> tuple[str, Stored]:
        """Return whose ticket is asked for, and the ticket.

        Raises Refused(notFound); `whole` is that of kept.one.
        """
        number = asked.path["troubleTicketId"]
        owner = kept.owner(connection, number) if self._sees_all else asked.operator
        found = owner and kept.one(connection, owner, number, whole=whole)
        if not owner or not found:
            raise Refused("notFound")
        return owner, found

    def _changed(self, asked: Asked, stored: Stored) -> _Changed:
        """Return the change that a request makes of a ticket. Raises Refused."""
        before = stored.ticket()
        change = _judged(lambda: self._book.validate_change(before, asked.body, by=self._by))
        after = self._after(before, change, asked.now)
        is_change = after != before
        version = stored.version + is_change
        answer = _answer(200, after, version, change.report.warnings)
        if not is_change:
            return _Changed(stored, answer)
        raised = self._events.between(
            before, after, now=stamp(asked.now), new_id=lambda: str(uuid4())
        )
        return _Changed(stored, answer, kept.row_of(after), tuple(raised))

    def _store_change(
        self, asked: Asked, owner: str, change: _Changed, connection: Connection
    ) -> bool:
        """Store a change, with the events that its operator wants; False where it is too late."""
        before, row = change.before, change.row
        if row is None or not kept.update(connection, owner, row, before):
            return False
        has_address, query = outbox.query_of(connection, owner)
        if has_address:
            wanted = self._events.heard(query)
            raised = [each for each in change.raised if each.name in wanted]
            now, version = kept.micros(asked.now), before.version + 1
            outbox.enqueue(connection, owner, row.number, version, raised=raised, now=now)
        return True

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


class _Changed(NamedTuple):
    """What a request makes of a stored ticket; without a row it changes nothing."""

    before: Stored
    answer: Answer
    row: kept.Row | None = None
    raised: tuple[Event, ...] = ()


def _copies(body: object) -> bool:
    """Say whether a JSON Patch may copy: copies of copies make a large ticket of a small body."""
    operations = body if isinstance(body, list) else ()
    return any(isinstance(each, dict) and each.get("op") == "copy" for each in operations)


def _fingerprint(body: object) -> str:
    """Return what tells one body from another."""
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _shown(stored: Stored, fields: frozenset[str] | None) -> bytes:
    """Return a ticket as JSON, or its members that are asked for."""
    return stored.document() if fields is None else dumps(select_fields(stored.ticket(), fields))


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


def _require(wanted: str | None, present: str) -> None:
    """Raise Refused unless an If-Match holds (RFC 9110, section 13.1.1), or none was sent."""
    if wanted is None or wanted.strip() == "*":
        return
    if _TAGS.fullmatch(wanted) is None:
        raise Refused("invalidHeader", Told("if_match"))
    if present not in _TAG.findall(wanted):  # by strong comparison: a weak one is another
        raise Refused("preconditionFailed")


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


def _links(asked: Asked, query: Query, total: int) -> str:
    """Return the Link header of a page (RFC 8288)."""
    rest = [
        part
        for part in asked.query.decode("latin-1").split("&")
        if part and part.partition("=")[0] not in {"offset", "limit"}
    ]

    def link(relation: str, offset: int) -> str:
        parts = [*rest, f"offset={offset}", f"limit={query.limit}"]
        # Within the brackets of a Link nothing may end them.
        address = "&".join(parts).replace("<", "%3C").replace(">", "%3E").replace('"', "%22")
        return f'<{asked.base}/troubleTicket?{address}>; rel="{relation}"'

    last = max(0, (total - 1) // query.limit * query.limit)
    links = [link("self", query.offset), link("first", 0)]
    if query.offset > 0:
        links.append(link("prev", max(0, query.offset - query.limit)))
    if query.offset + query.limit < total:
        links.append(link("next", query.offset + query.limit))
    return ", ".join([*links, link("last", last)])
