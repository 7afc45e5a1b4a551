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
from dataclasses import replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar
from uuid import UUID, uuid4

import ttrules
from server import kept, outbox
from server.cursors import cursor_of
from server.errors import Refused
from server.filtering import ANY, read_fields, read_query, select_fields
from server.kept import stamp
from server.sentences import Told
from server.wire import JSON_PATCH, Answer, dumps
from server.wrappers import wrapper_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection

    from server.engines import Deadline
    from server.events import Event, Events
    from server.filtering import Known
    from server.hrefs import Hrefs
    from server.kept import Stored
    from server.operators import Role
    from server.store import Store
    from server.ticket_query import Query
    from server.validation import Validation
    from server.wire import Asked
    from ttrules import Book, Change, Finding, Report

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
#: What a proxy that compresses makes of a tag: a weak one (nginx), or one with a suffix (Apache).
_ALTERED: Final = re.compile(r'(?:W/)?"([0-9]+)(?:(?:--?|;)(?:gzip|br|zstd|deflate))?"')
_TAGS: Final = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")

Ticket: TypeAlias = dict[str, Any]
T = TypeVar("T")


class Tickets:
    """The operations, over a store and a book of rules.

    `wake` is called when there are events to deliver. `by` is who asks: operators, each for its own
    tickets, or the provider for those of all. `hrefs` are the addresses of the tickets, `known` is
    what the document says of a ticket, `most` how many bytes a list answers at a time.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - what it works with
        self,
        store: Store,
        book: Book,
        events: Events,
        wake: Callable[[], None],
        validation: Validation,
        hrefs: Hrefs,
        *,
        by: Role = "operator",
        known: Known = ANY,
        most: int = kept.LARGEST_PAGE,
    ) -> None:
        self._store = store
        self._validation = validation
        self._book = book
        self._events = events
        self._wake = wake
        self._hrefs = hrefs
        self._by: Role = by
        self._known = known
        self._most = most
        self._sees_all = by == "provider"
        assert book.lifecycle is not None, "tickets have statuses"
        self._initial = book.lifecycle.initial
        self._members = frozenset(book.data["entities"][book.data["root"]])
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
                return self._repeated(earlier, fingerprint)
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
                    return self._repeated(earlier, fingerprint)
            kept.insert(connection, asked.operator, row)
            return answer

        return await self._store.write(job)

    def _created(self, asked: Asked) -> tuple[kept.Row, Answer]:
        """Return the ticket that a body asks for, and the answer. Raises Refused."""
        report = _judged(lambda: self._book.validate_new(asked.body))
        if not report.valid:
            raise self._not_met(asked.body, report)
        assert report.process is not None, "a valid ticket names its process"
        ticket = self._new(asked, self._book.accepted(asked.body, report.process))
        answer = _answer(201, ticket, 1, report.warnings, Location=ticket["href"])
        return kept.row_of(ticket), answer

    async def _run(self, asked: Asked, work: Callable[[], T], *, is_small: bool = True) -> T:
        """Return what `work` returns; a large body is handled beside the event loop."""
        if is_small and asked.is_small:
            return work()
        return await self._validation.run(asked.operator, work)

    async def retrieve(self, asked: Asked) -> Answer:
        """GET /troubleTicket/{id}: 200 with the ticket, or the members that are asked for."""
        fields = read_fields(asked.query, self._known)
        whole = fields is None or "attachment" in fields

        def ask(connection: Connection) -> tuple[Stored, Sequence[str]]:
            """Read the ticket, and for the provider the name of its operator."""
            _, stored = self._found(connection, asked, whole=whole)
            return stored, self._owners(connection, [asked.path["troubleTicketId"]])

        stored, owners = await self._store.read(ask, by_key=True)
        headers = {"ETag": etag(stored.version)}
        if _is_known(asked, stored.version):
            return Answer(status=304, headers=headers)
        shown = partial(self._shown, stored, fields, owners)
        is_small = stored.is_small or (fields is None and not stored.contents)
        text = await self._run(asked, shown, is_small=is_small)
        return Answer(status=200, headers=headers, body=text)

    def _shown(self, stored: Stored, fields: frozenset[str] | None, owners: Sequence[str]) -> bytes:
        """Return a ticket as JSON, or its members that are asked for."""
        return _selected([self._hrefs.added(stored.document())], fields, owners)[0]

    async def list(self, asked: Asked) -> Answer:
        """GET /troubleTicket: 200 with a page of tickets, and how many there are."""
        query = read_query(asked.query, self._known, of_all=self._sees_all)
        operator = None if self._sees_all else asked.operator

        def ask(connection: Connection, deadline: Deadline) -> tuple[kept.Page, Sequence[str]]:
            """Read the page, and for the provider the names of the operators."""
            page = kept.page(connection, operator, query, most=self._most, deadline=deadline)
            numbers = [json.loads(each)["id"] for each in page.tickets] if self._sees_all else []
            return page, self._owners(connection, numbers)

        page, owners = await self._store.scan(asked.operator, ask)
        texts = _selected([self._hrefs.added(each) for each in page.tickets], None, owners)
        headers = {
            "X-Total-Count": str(page.total),
            "X-Result-Count": str(len(page.tickets)),
            "Link": _links(asked, query, page),
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

    def _owners(self, connection: Connection, numbers: Sequence[str]) -> Sequence[str]:
        """Return the names of the operators whose tickets these are; nothing for an operator."""
        return kept.owners(connection, numbers) if self._sees_all else []

    async def _patch(self, asked: Asked) -> Answer:
        """Change the ticket as it is now; where another process is quicker, as it is then.

        Nothing is locked while the change is computed: it is stored only if the ticket is still the
        version that it was computed from.
        """

        def ask(connection: Connection) -> tuple[str, Stored, Sequence[str]]:
            """Read the ticket, and for the provider the name of its operator."""
            found = self._found(connection, asked, whole=True)
            return (*found, self._owners(connection, [asked.path["troubleTicketId"]]))

        change: _Changed | None = None
        for pause in _PAUSES:
            owner, before, owners = await self._store.read(ask, by_key=True)
            wanted = asked.headers.get("if-match")
            is_met = wanted is None or _names(wanted, before.version, "if_match")
            if not is_met or _is_known(asked, before.version):
                raise Refused("preconditionFailed")
            if change is None or change.before.version != before.version:
                work = partial(self._changed, asked, before)
                is_small = before.is_small and not _copies(asked.body)
                change = await self._run(asked, work, is_small=is_small)
            if change.row is None or await self._store.write(
                partial(self._store_change, asked, owner, change)
            ):
                (body,) = _selected([change.answer.body], None, owners)
                return replace(change.answer, body=body)
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

    def _repeated(self, earlier: kept.Earlier, fingerprint: str) -> Answer:
        """Return the answer that was given before.

        Raises Refused when something else was asked.
        """
        if earlier.fingerprint != fingerprint:
            raise Refused("keyReused")
        body = self._hrefs.added(earlier.answer.body)
        location = {"Location": json.loads(body)["href"]}
        return replace(earlier.answer, headers={**earlier.answer.headers, **location}, body=body)

    def _changed(self, asked: Asked, stored: Stored) -> _Changed:
        """Return the change that a request makes of a ticket. Raises Refused."""
        before = json.loads(self._hrefs.added(stored.document()))
        # The clock may have been set back since the last change.
        moment = max(asked.now, datetime.fromisoformat(before["lastUpdate"]))
        before["href"] = self._hrefs.as_sent(before["id"], asked.body)
        change = _judged(lambda: self._book.validate_change(before, asked.body, by=self._by))
        after = self._after(before, change, asked, moment)
        before["href"] = after["href"] = self._hrefs.of(after["id"])
        is_change = after != before
        version = stored.version + is_change
        answer = _answer(200, after, version, change.report.warnings)
        if not is_change:
            return _Changed(stored, answer)
        raised = self._events.between(before, after, now=stamp(moment), new_id=lambda: str(uuid4()))
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
            "href": self._hrefs.of(number),
            **_with_notes(sent, now),
            "status": self._initial,
            "creationDate": now,
            "lastUpdate": now,
            "statusChangeDate": now,
        }

    def _not_met(self, body: Any, report: Report) -> Refused:  # noqa: ANN401 - any JSON value
        """Return the refusal of a body; if a ticket is wrapped in it, the message says where."""
        return Refused(
            "requirementsNotMet",
            wrapper_hint(body, self._members),
            violations=report.violations,
            warnings=report.warnings,
        )

    def _after(self, before: Ticket, change: Change, asked: Asked, moment: datetime) -> Ticket:
        """Return the ticket after a change. Raises Refused when it is not allowed."""
        violations = change.report.violations
        if violations:
            if all(finding.code == "transition" for finding in violations):
                raise Refused("transitionNotAllowed", violations=violations)
            raise self._not_met(asked.body, change.report)
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


def _selected(
    texts: list[bytes], fields: frozenset[str] | None, owners: Sequence[str]
) -> list[bytes]:
    """Return documents as they are answered: with the members asked for, and with their owners."""
    if fields is not None:
        texts = [dumps(select_fields(json.loads(text), fields)) for text in texts]
    if not owners:
        return texts
    return [kept.owned(name, text) for name, text in zip(owners, texts, strict=True)]


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
        is_conflict = isinstance(error, ttrules.PatchNotApplicable) and error.is_failed_test
        code, key = ("patchTestFailed", "test") if is_conflict else ("invalidBody", "correct_body")
        raise Refused(code, Told(key, why=str(error))) from error


def dropped(warnings: Iterable[Finding]) -> list[str]:
    """Return the pointers of the members that are not stored, as far as the policy reports them."""
    return [each.pointer for each in warnings if each.code in {"not_supported", "unknown_field"}]


def _with_notes(ticket: Ticket, now: str) -> Ticket:
    """Return a ticket whose new notes have an id and a date; those are the provider's to give."""
    if "note" not in ticket:
        return dict(ticket)
    notes = [
        note if "notedate" in note else {"id": str(uuid4()), **note, "notedate": now}
        for note in ticket["note"]
    ]
    return {**ticket, "note": notes}


def etag(version: int) -> str:
    """Return the strong entity tag of a ticket's version (RFC 9110, section 8.8.3)."""
    return f'"{version}"'


def _names(tags: str, version: int, key: str) -> bool:
    """Return whether an If-Match or If-None-Match names a version (RFC 9110, section 13.1).

    A tag that a compressing proxy has made weak, or given a suffix, names its version as well: no
    two versions of a ticket have the same number. `key` is that of the sentence on a bad header.

    Raises Refused where it is neither * nor a list of tags.
    """
    if tags.strip() == "*":
        return True
    if _TAGS.fullmatch(tags) is None:
        raise Refused("invalidHeader", Told(key))
    found = map(_ALTERED.fullmatch, _TAG.findall(tags))
    return any(each is not None and each[1] == str(version) for each in found)


def _is_known(asked: Asked, version: int) -> bool:
    """Return whether the sender has this version already, as If-None-Match says."""
    tags = asked.headers.get("if-none-match")
    return tags is not None and _names(tags, version, "if_none_match")


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
