"""The operations on tickets: read, let ttrules validate, store.

This module contains no rule of the matrix. It fills in the members that the provider owns (id,
href, dates, the first status, the dates of new notes), removes members that the process does not
support, and names them in a header. Every change is one job of the database. Every query contains
the id of the operator, so a ticket of another operator is not found; the provider sees all tickets.
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
from server.api.http import JSON_PATCH, Response, dumps
from server.api.query import ANY, read_fields, read_query
from server.api.wrappers import wrapper_hint
from server.messages.en import sentence
from server.problems import ApiError
from server.storage import idempotency, outbox
from server.storage import tickets as ticket_rows
from server.storage.cursors import cursor_of
from server.storage.idempotency import Remembered
from server.storage.ticket_query import select_fields
from server.storage.tickets import stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection

    from server.api.hrefs import Hrefs
    from server.api.http import Request
    from server.api.ticket_events import Events
    from server.storage.database import Database
    from server.storage.engines import Deadline
    from server.storage.operators import Role
    from server.storage.outbox import Event
    from server.storage.ticket_query import Known, Query
    from server.storage.tickets import Stored
    from server.validation import Validation
    from ttrules import Change, Finding, Report, Rulebook

#: The header that names the members that were not stored, and its maximum length.
UNSUPPORTED: Final = "Ticket-Unsupported-Members"
_MOST_NAMED: Final = 4_096
#: How long the response to an Idempotency-Key is stored, in microseconds.
KEPT_FOR: Final = 24 * 3_600 * 1_000_000
#: The maximum pauses in seconds before a change is tried again after a concurrent change by another
#: process: about 4 s in total.
_PAUSES: Final = (*(0.002 * 2**turn for turn in range(7)), *[0.2] * 35)
#: The valid values of request headers, as in the document.
_KEY: Final = re.compile(r"[!-~]{1,255}")
_TAG: Final = re.compile(r'(?:W/)?"[!#-~]*"')
#: A tag that a compressing proxy has made weak (nginx) or extended by a suffix (Apache).
_ALTERED: Final = re.compile(r'(?:W/)?"([0-9]+)(?:(?:--?|;)(?:gzip|br|zstd|deflate))?"')
_TAGS: Final = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")

Ticket: TypeAlias = dict[str, Any]
T = TypeVar("T")


class Tickets:
    """The operations on tickets with a database and a rulebook.

    `wake` is called when events are to be delivered. `by` is the role of the callers: operators
    access their own tickets, the provider all of them. `hrefs` are the URLs of tickets, `known` are
    the members and values of a ticket in the document, `most` is the maximum size of a page in
    bytes.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - its collaborators
        self,
        store: Database,
        book: Rulebook,
        events: Events,
        wake: Callable[[], None],
        validation: Validation,
        hrefs: Hrefs,
        *,
        by: Role = "operator",
        known: Known = ANY,
        most: int = ticket_rows.LARGEST_PAGE,
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
        self._members = frozenset(book.matrix.root_fields)
        self._answering: set[tuple[str, str]] = set()

    async def create(self, request: Request) -> Response:
        """POST /troubleTicket: 201 with the whole ticket."""
        key = request.headers.get("idempotency-key")
        if key is None:
            return await self._create(request, None)
        if _KEY.fullmatch(key) is None:
            raise ApiError("invalidHeader", sentence("key"))
        mark = (request.operator, key)
        if mark in self._answering:
            raise ApiError("conflict", sentence("key_in_use"))
        self._answering.add(mark)
        try:
            return await self._create(request, key)
        finally:
            self._answering.discard(mark)

    async def _create(self, request: Request, key: str | None) -> Response:
        fingerprint = ""
        if key is not None:
            fingerprint = await self._run(request, partial(_fingerprint, request.body))
            earlier = await self._store.read(
                lambda c: idempotency.find(
                    c, request.operator, key, ticket_rows.micros(request.now)
                ),
                by_key=True,
            )
            if earlier is not None:
                return self._repeated(earlier, fingerprint)
        row, response = await self._run(request, partial(self._created, request))

        def job(connection: Connection) -> Response:
            if key is not None:
                now = ticket_rows.micros(request.now)
                is_new = idempotency.remember(
                    connection,
                    request.operator,
                    key,
                    Remembered(fingerprint, response.status, response.headers, response.body),
                    now=now,
                    kept_for=KEPT_FOR,
                )
                if not is_new:  # another process stored it first
                    earlier = idempotency.find(connection, request.operator, key, now)
                    if earlier is None:
                        raise ApiError("conflict", sentence("key_in_use"))
                    return self._repeated(earlier, fingerprint)
            ticket_rows.insert(connection, request.operator, row)
            return response

        return await self._store.write(job)

    def _created(self, request: Request) -> tuple[ticket_rows.Row, Response]:
        """Return the new ticket of a body, and the response. Raises ApiError."""
        report = _validated(lambda: self._book.validate_new(request.body))
        if not report.valid:
            raise self._not_met(request.body, report)
        assert report.process is not None, "a valid ticket names its process"
        ticket = self._new(request, self._book.accepted(request.body, report.process))
        response = _response(201, ticket, 1, report.warnings, Location=ticket["href"])
        return ticket_rows.row_of(ticket), response

    async def _run(self, request: Request, work: Callable[[], T], *, is_small: bool = True) -> T:
        """Return what `work` returns; a large body is handled in a thread."""
        if is_small and request.is_small:
            return work()
        return await self._validation.run(request.operator, work)

    async def retrieve(self, request: Request) -> Response:
        """GET /troubleTicket/{id}: 200 with the ticket or its selected members."""
        fields = read_fields(request.query, self._known)
        whole = fields is None or "attachment" in fields

        def ask(connection: Connection) -> tuple[Stored, Sequence[str]]:
            """Read the ticket, and for the provider the name of its operator."""
            _, stored = self._found(connection, request, whole=whole)
            return stored, self._owners(connection, [request.path["troubleTicketId"]])

        stored, owners = await self._store.read(ask, by_key=True)
        headers = {"ETag": etag(stored.version)}
        if _is_known(request, stored.version):
            return Response(status=304, headers=headers)
        shown = partial(self._shown, stored, fields, owners)
        is_small = stored.is_small or (fields is None and not stored.contents)
        text = await self._run(request, shown, is_small=is_small)
        return Response(status=200, headers=headers, body=text)

    def _shown(self, stored: Stored, fields: frozenset[str] | None, owners: Sequence[str]) -> bytes:
        """Return a ticket as JSON, or its selected members."""
        return _selected([self._hrefs.added(stored.document())], fields, owners)[0]

    async def list(self, request: Request) -> Response:
        """GET /troubleTicket: 200 with a page of tickets and their total number."""
        query = read_query(request.query, self._known, of_all=self._sees_all)
        operator = None if self._sees_all else request.operator

        def ask(
            connection: Connection, deadline: Deadline
        ) -> tuple[ticket_rows.Page, Sequence[str]]:
            """Read the page, and for the provider the names of the operators."""
            page = ticket_rows.page(connection, operator, query, most=self._most, deadline=deadline)
            numbers = [json.loads(each)["id"] for each in page.tickets] if self._sees_all else []
            return page, self._owners(connection, numbers)

        page, owners = await self._store.scan(request.operator, ask)
        texts = _selected([self._hrefs.added(each) for each in page.tickets], None, owners)
        headers = {
            "X-Total-Count": str(page.total),
            "X-Result-Count": str(len(page.tickets)),
            "Link": _links(request, query, page),
        }
        return Response(status=200, headers=headers, body=b"[" + b",".join(texts) + b"]")

    async def patch(self, request: Request) -> Response:
        """PATCH /troubleTicket/{id}: 200 with the whole changed ticket."""
        if isinstance(request.body, list) is not (request.media_type == JSON_PATCH):
            kind = "operations" if request.media_type == JSON_PATCH else "object"
            raise ApiError("invalidBody", sentence(kind, media_type=request.media_type))
        async with self._validation.lock(request.path["troubleTicketId"]):
            response = await self._patch(request)
        self._wake()
        return response

    def _owners(self, connection: Connection, numbers: Sequence[str]) -> Sequence[str]:
        """Return the operators of tickets for the provider; an empty list for an operator."""
        return ticket_rows.owners(connection, numbers) if self._sees_all else []

    async def _patch(self, request: Request) -> Response:
        """Change the ticket; retry with its new version if another process changes it meanwhile.

        Nothing is locked while the change is computed. It is stored only if the ticket still has
        the version from which it was computed.
        """

        def ask(connection: Connection) -> tuple[str, Stored, Sequence[str]]:
            """Read the ticket, and for the provider the name of its operator."""
            found = self._found(connection, request, whole=True)
            return (*found, self._owners(connection, [request.path["troubleTicketId"]]))

        change: _Changed | None = None
        for pause in _PAUSES:
            owner, before, owners = await self._store.read(ask, by_key=True)
            wanted = request.headers.get("if-match")
            is_met = wanted is None or _names(wanted, before.version, "if_match")
            if not is_met or _is_known(request, before.version):
                raise ApiError("preconditionFailed")
            if change is None or change.before.version != before.version:
                work = partial(self._changed, request, before)
                is_small = before.is_small and not _copies(request.body)
                change = await self._run(request, work, is_small=is_small)
            if change.row is None or await self._store.write(
                partial(self._store_change, request, owner, change)
            ):
                (body,) = _selected([change.response.body], None, owners)
                return replace(change.response, body=body)
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
        raise ApiError("unavailable", headers={"Retry-After": "1"})

    def _found(
        self, connection: Connection, request: Request, *, whole: bool
    ) -> tuple[str, Stored]:
        """Return the owner of the requested ticket, and the ticket.

        Raises ApiError(notFound). For `whole` see storage.tickets.one.
        """
        number = request.path["troubleTicketId"]
        owner = ticket_rows.owner(connection, number) if self._sees_all else request.operator
        found = owner and ticket_rows.one(connection, owner, number, whole=whole)
        if not owner or not found:
            raise ApiError("notFound")
        return owner, found

    def _repeated(self, earlier: Remembered, fingerprint: str) -> Response:
        """Return the stored response. Raises ApiError(keyReused) for a different request."""
        if earlier.fingerprint != fingerprint:
            raise ApiError("keyReused")
        body = self._hrefs.added(earlier.body)
        headers = {**earlier.headers, "Location": json.loads(body)["href"]}
        return Response(status=earlier.status, headers=headers, body=body)

    def _changed(self, request: Request, stored: Stored) -> _Changed:
        """Return the change that a request makes of a ticket. Raises ApiError."""
        before = json.loads(self._hrefs.added(stored.document()))
        # The clock may have been set back since the last change.
        moment = max(request.now, datetime.fromisoformat(before["lastUpdate"]))
        before["href"] = self._hrefs.as_sent(before["id"], request.body)
        change = _validated(lambda: self._book.validate_change(before, request.body, by=self._by))
        after = self._after(before, change, request, moment)
        before["href"] = after["href"] = self._hrefs.of(after["id"])
        is_change = after != before
        version = stored.version + is_change
        response = _response(200, after, version, change.report.warnings)
        if not is_change:
            return _Changed(stored, response)
        raised = self._events.between(before, after, now=stamp(moment), new_id=lambda: str(uuid4()))
        return _Changed(stored, response, ticket_rows.row_of(after), tuple(raised))

    def _store_change(
        self, request: Request, owner: str, change: _Changed, connection: Connection
    ) -> bool:
        """Store a change and its events; return False if the ticket has changed meanwhile."""
        before, row = change.before, change.row
        if row is None or not ticket_rows.update(connection, owner, row, before):
            return False
        self._enqueue_events(connection, owner, change, ticket_rows.micros(request.now))
        return True

    def _enqueue_events(
        self, connection: Connection, owner: str, change: _Changed, now: int
    ) -> None:
        """Enqueue the events of a change that the subscription of its owner selects."""
        has_address, query = outbox.query_of(connection, owner)
        if has_address and change.row is not None:
            wanted = self._events.heard(query)
            raised = [each for each in change.raised if each.name in wanted]
            version = change.before.version + 1
            outbox.enqueue(connection, owner, change.row.number, version, raised=raised, now=now)

    def _new(self, request: Request, sent: Ticket) -> Ticket:
        """Return a new ticket: the sent members and those that the provider fills in."""
        number, now = new_number(request.now), stamp(request.now)
        return {
            "id": number,
            "href": self._hrefs.of(number),
            **_with_notes(sent, now),
            "status": self._initial,
            "creationDate": now,
            "lastUpdate": now,
            "statusChangeDate": now,
        }

    def _not_met(self, body: Any, report: Report) -> ApiError:  # noqa: ANN401 - any JSON value
        """Return the error for an invalid body; if it wraps a ticket, the message says where."""
        return ApiError(
            "requirementsNotMet",
            wrapper_hint(body, self._members),
            violations=report.violations,
            warnings=report.warnings,
        )

    def _after(self, before: Ticket, change: Change, request: Request, moment: datetime) -> Ticket:
        """Return the ticket after a change. Raises ApiError if the change is not allowed."""
        violations = change.report.violations
        if violations:
            if all(finding.code == "transition" for finding in violations):
                raise ApiError("transitionNotAllowed", violations=violations)
            raise self._not_met(request.body, change.report)
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
    """Return documents with their selected members and, for the provider, their owners."""
    if fields is not None:
        texts = [dumps(select_fields(json.loads(text), fields)) for text in texts]
    if not owners:
        return texts
    return [ticket_rows.owned(name, text) for name, text in zip(owners, texts, strict=True)]


class _Changed(NamedTuple):
    """The result of a PATCH on a stored ticket; without a row nothing changes."""

    before: Stored
    response: Response
    row: ticket_rows.Row | None = None
    raised: tuple[Event, ...] = ()


def _copies(body: object) -> bool:
    """Return whether a JSON Patch copies: a small patch with copies can make a large ticket."""
    operations = body if isinstance(body, list) else ()
    return any(isinstance(each, dict) and each.get("op") == "copy" for each in operations)


def _fingerprint(body: object) -> str:
    """Return the fingerprint of a body."""
    return sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def new_number(moment: datetime) -> str:
    """Return an id for a ticket that is created now: a UUID of version 7.

    It consists of the time in milliseconds and 74 random bits (RFC 9562, section 5.7). Tickets that
    are created together are adjacent in the indexes, which halves the cost of an insert. The random
    bits make ids unguessable.
    """
    milliseconds = ticket_rows.micros(moment) // 1_000
    drawn = secrets.randbits(74)
    return str(
        UUID(int=milliseconds << 80 | 7 << 76 | drawn >> 62 << 64 | 2 << 62 | drawn & (1 << 62) - 1)
    )


def _validated(judge: Callable[[], T]) -> T:
    """Return the result of ttrules; a payload that it cannot validate is an invalid body."""
    try:
        return judge()
    except (ttrules.NotJSON, ttrules.PatchNotApplicable) as error:
        is_conflict = isinstance(error, ttrules.PatchNotApplicable) and error.is_failed_test
        code, key = ("patchTestFailed", "test") if is_conflict else ("invalidBody", "correct_body")
        raise ApiError(code, sentence(key, why=error.message)) from error


def dropped(warnings: Iterable[Finding]) -> list[str]:
    """Return the pointers of the members that are not stored, if the policy reports them."""
    return [each.pointer for each in warnings if each.code in {"not_supported", "unknown_field"}]


def _with_notes(ticket: Ticket, now: str) -> Ticket:
    """Return a ticket with an id and a date, which the provider assigns, in each new note."""
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

    A tag that a compressing proxy has made weak or extended by a suffix also names its version.
    `key` is the key of the message about an invalid header.

    Raises ApiError if the header is neither * nor a list of tags.
    """
    if tags.strip() == "*":
        return True
    if _TAGS.fullmatch(tags) is None:
        raise ApiError("invalidHeader", sentence(key))
    found = map(_ALTERED.fullmatch, _TAG.findall(tags))
    return any(each is not None and each[1] == str(version) for each in found)


def _is_known(request: Request, version: int) -> bool:
    """Return whether If-None-Match names this version."""
    tags = request.headers.get("if-none-match")
    return tags is not None and _names(tags, version, "if_none_match")


def _response(
    status: int, ticket: Ticket, version: int, warnings: Iterable[Finding], **headers: str
) -> Response:
    headers["ETag"] = etag(version)
    if named := dropped(warnings):
        headers[UNSUPPORTED] = _named(named)
    return Response(status=status, headers=headers, body=dumps(ticket))


def _named(pointers: list[str]) -> str:
    """Return pointers as a list for a header, percent-encoded where necessary."""
    # Imported here because few tickets contain unsupported members.
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


def _links(request: Request, query: Query, page: ticket_rows.Page) -> str:
    """Return the Link header of a page (RFC 8288): `next` by a cursor, all others by offset."""
    given = [part for part in request.query.decode("latin-1").split("&") if part]
    rest = [part for part in given if part.partition("=")[0] not in {"offset", "limit", "cursor"}]

    def link(relation: str, *places: str) -> str:
        # A URL within <> must not contain these characters.
        address = "&".join([*rest, *places, f"limit={query.limit}"])
        address = address.replace("<", "%3C").replace(">", "%3E").replace('"', "%22")
        return f'<{request.base}/troubleTicket?{address}>; rel="{relation}"'

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
