"""The operations on tickets, the resources of the profile: read, let ttrules validate, store.

This module contains no rule of the matrix and no member. It fills in the members that the profile
names, removes members that the process does not support, and names them in a header. Every change
is one job of the database. Every query contains the id of the operator, so a ticket of another
operator is not found; the provider sees all tickets.
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
from server.api import filling
from server.api.http import JSON_PATCH, Response, dumps
from server.api.query import read_fields, read_parameters, read_query
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
    from server.profile.model import Profile, Side
    from server.storage.database import Database
    from server.storage.engines import Deadline
    from server.storage.outbox import Event
    from server.storage.ticket_query import Query
    from server.storage.tickets import Stored
    from server.validation import Validation
    from ttrules import Change, Finding, Report

#: The maximum length of the header that names the members that were not stored.
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
    """The operations of a side on tickets, with a database.

    `wake` is called when events are to be delivered. Operators access their own tickets, the
    provider all of them. `hrefs` are the URLs of tickets, `most` is the maximum size of a page in
    bytes.
    """

    def __init__(
        self,
        store: Database,
        profile: Profile,
        side: Side,
        *,
        events: Events,
        wake: Callable[[], None],
        validation: Validation,
        hrefs: Hrefs,
        most: int = ticket_rows.LARGEST_PAGE,
    ) -> None:
        self._store = store
        self._rows = store.rows
        self._validation = validation
        self._book = side.book
        self._events = events
        self._wake = wake
        self._hrefs = hrefs
        self._side = side
        self._most = most
        self._sees_all = side.role == "provider"
        self._resource = profile.resource
        self._filling = profile.resource.filling
        self._path = _list_path(side)
        cycle = profile.lifecycle
        self._status = None if cycle is None else cycle.field
        self._first = {} if cycle is None else {cycle.field: cycle.initial}
        self._members = frozenset(side.book.matrix.root_fields)
        self._answering: set[tuple[str, str]] = set()

    async def create(self, request: Request) -> Response:
        """Create a ticket: 201 with the whole ticket."""
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
        row, response, raised = await self._run(request, partial(self._created, request))

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
            self._rows.insert(connection, request.operator, row)
            if raised:
                now = ticket_rows.micros(request.now)
                self._enqueue_events(connection, request.operator, row.number, 1, raised, now)
            return response

        stored = await self._store.write(job)
        if raised:
            self._wake()
        return stored

    def _created(self, request: Request) -> tuple[ticket_rows.Row, Response, Sequence[Event]]:
        """Return the new ticket of a body, the response and the events. Raises ApiError."""
        report = _validated(lambda: self._book.validate_new(request.body))
        if not report.valid:
            raise self._not_met(request.body, report)
        assert report.process is not None, "a valid ticket names its process"
        ticket = self._new(request, self._book.accepted(request.body, report.process))
        row = self._rows.row_of(ticket)
        location = self._hrefs.of(row.number)
        response = self._response(201, ticket, 1, report.warnings, Location=location)
        now = stamp(request.now)
        raised = [*self._events.of("created", ticket, now=now, new_id=new_event_id)]
        return row, response, raised

    async def _run(self, request: Request, work: Callable[[], T], *, is_small: bool = True) -> T:
        """Return what `work` returns; a large body is handled in a thread."""
        if is_small and request.is_small:
            return work()
        return await self._validation.run(request.operator, work)

    async def retrieve(self, request: Request) -> Response:
        """Read a ticket: 200 with the ticket or its selected members."""
        fields = read_fields(request.query, self._side.listing)
        whole = fields is None or not self._resource.apart.keys().isdisjoint(fields)

        def ask(connection: Connection) -> tuple[Stored, Sequence[str]]:
            """Read the ticket, and for the provider the name of its operator."""
            _, stored = self._found(connection, request, whole=whole)
            return stored, self._owners(connection, [_number(request)])

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
        return self._selected([self._hrefs.added(stored.document())], fields, owners)[0]

    async def list(self, request: Request) -> Response:
        """List tickets: 200 with a page of tickets and their total number."""
        query = read_query(request.query, self._side.listing, of_all=self._sees_all)
        operator = None if self._sees_all else request.operator

        def ask(
            connection: Connection, deadline: Deadline
        ) -> tuple[ticket_rows.Page, Sequence[str]]:
            """Read the page, and for the provider the names of the operators."""
            page = self._rows.page(
                connection,
                operator,
                query,
                always=self._side.listing.always,
                most=self._most,
                deadline=deadline,
            )
            return page, self._owners(connection, page.numbers)

        page, owners = await self._store.scan(request.operator, ask)
        texts: Sequence[bytes] = [self._hrefs.added(each) for each in page.tickets]
        # The identifier and the URL are there even if nobody asked for them.
        fields = None if query.fields is None or self._has_own(query.fields) else query.fields
        texts = self._selected(texts, fields, owners)
        headers = {
            "X-Total-Count": str(page.total),
            "X-Result-Count": str(len(page.tickets)),
            "Link": _links(request, self._path, query, page),
        }
        return Response(status=200, headers=headers, body=b"[" + b",".join(texts) + b"]")

    async def patch(self, request: Request) -> Response:
        """Change a ticket: 200 with the whole changed ticket."""
        if isinstance(request.body, list) is not (request.media_type == JSON_PATCH):
            kind = "operations" if request.media_type == JSON_PATCH else "object"
            raise ApiError("invalidBody", sentence(kind, media_type=request.media_type))
        async with self._validation.lock(_number(request)):
            response = await self._patch(request)
        self._wake()
        return response

    async def delete(self, request: Request) -> Response:
        """Delete a ticket: 204."""
        read_parameters(request.query)

        def job(connection: Connection) -> bool:
            """Delete the ticket and enqueue the events; return whether it still had its version."""
            if not self._rows.delete(connection, owner, before, _number(request)):
                return False
            if raised:
                version = before.version + 1
                now = ticket_rows.micros(request.now)
                self._enqueue_events(connection, owner, _number(request), version, raised, now)
            return True

        for pause in _PAUSES:
            owner, before = await self._store.read(
                lambda c: self._found(c, request, whole=True), by_key=True
            )
            wanted = request.headers.get("if-match")
            if wanted is not None and not _names(wanted, before.version, "if_match"):
                raise ApiError("preconditionFailed")
            ticket = json.loads(self._hrefs.added(before.document()))
            now = stamp(request.now)
            raised = [*self._events.of("deleted", ticket, now=now, new_id=new_event_id)]
            if await self._store.write(job):
                self._wake()
                return Response(status=204)
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
        raise ApiError("unavailable", headers={"Retry-After": "1"})

    def _owners(self, connection: Connection, numbers: Sequence[str]) -> Sequence[str]:
        """Return the operators of tickets for the provider; an empty list for an operator."""
        return self._rows.owners(connection, numbers) if self._sees_all else []

    def _has_own(self, fields: frozenset[str]) -> bool:
        """Return whether a selection of members has the identifier and the URL."""
        shown = fields | self._side.listing.always
        url = self._resource.url
        return self._resource.identifier in shown and (url is None or url in shown)

    def _selected(
        self, texts: Sequence[bytes], fields: frozenset[str] | None, owners: Sequence[str]
    ) -> Sequence[bytes]:
        """Return documents with their selected members and, for the provider, their owners."""
        if fields is not None:
            shown = fields | self._side.listing.always
            texts = [dumps(select_fields(json.loads(text), shown)) for text in texts]
        if not owners:
            return texts
        return [ticket_rows.owned(name, text) for name, text in zip(owners, texts, strict=True)]

    async def _patch(self, request: Request) -> Response:
        """Change the ticket; retry with its new version if another process changes it meanwhile.

        Nothing is locked while the change is computed. It is stored only if the ticket still has
        the version from which it was computed.
        """

        def ask(connection: Connection) -> tuple[str, Stored, Sequence[str]]:
            """Read the ticket, and for the provider the name of its operator."""
            found = self._found(connection, request, whole=True)
            return (*found, self._owners(connection, [_number(request)]))

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
                (body,) = self._selected([change.response.body], None, owners)
                return replace(change.response, body=body)
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311 - no secret
        raise ApiError("unavailable", headers={"Retry-After": "1"})

    def _found(
        self, connection: Connection, request: Request, *, whole: bool
    ) -> tuple[str, Stored]:
        """Return the owner of the requested ticket, and the ticket.

        Raises ApiError(notFound). For `whole` see storage.tickets.one.
        """
        number = _number(request)
        owner = self._rows.owner(connection, number) if self._sees_all else request.operator
        found = owner and self._rows.one(connection, owner, number, whole=whole)
        if not owner or not found:
            raise ApiError("notFound")
        return owner, found

    def _repeated(self, earlier: Remembered, fingerprint: str) -> Response:
        """Return the stored response. Raises ApiError(keyReused) for a different request."""
        if earlier.fingerprint != fingerprint:
            raise ApiError("keyReused")
        body = self._hrefs.added(earlier.body)
        number = json.loads(body)[self._resource.identifier]
        headers = {**earlier.headers, "Location": self._hrefs.of(number)}
        return Response(status=earlier.status, headers=headers, body=body)

    def _changed(self, request: Request, stored: Stored) -> _Changed:
        """Return the change that a request makes of a ticket. Raises ApiError."""
        before = json.loads(self._hrefs.added(stored.document()))
        number, url = before[self._resource.identifier], self._resource.url
        moment = self._moment(request, before)
        if url is not None:
            before[url] = self._hrefs.as_sent(number, request.body)
        change = _validated(
            lambda: self._book.validate_change(before, request.body, by=self._side.role)
        )
        after = self._after(before, change, request, moment)
        if url is not None:
            before[url] = after[url] = self._hrefs.of(number)
        is_change = after != before
        version = stored.version + is_change
        response = self._response(200, after, version, change.report.warnings)
        if not is_change:
            return _Changed(stored, response)
        raised = self._events.between(before, after, now=stamp(moment), new_id=new_event_id)
        return _Changed(stored, response, self._rows.row_of(after), tuple(raised))

    def _moment(self, request: Request, before: Ticket) -> datetime:
        """Return the time of a change, which is not before that of the last change.

        The clock may have been set back since then.
        """
        last = before.get(self._resource.moment or "")
        return request.now if last is None else max(request.now, datetime.fromisoformat(last))

    def _store_change(
        self, request: Request, owner: str, change: _Changed, connection: Connection
    ) -> bool:
        """Store a change and its events; return False if the ticket has changed meanwhile."""
        before, row = change.before, change.row
        if row is None or not self._rows.update(connection, owner, row, before):
            return False
        now = ticket_rows.micros(request.now)
        self._enqueue_events(connection, owner, row.number, before.version + 1, change.raised, now)
        return True

    def _enqueue_events(  # noqa: PLR0917 - the columns of a row
        self,
        connection: Connection,
        owner: str,
        number: str,
        version: int,
        raised: Sequence[Event],
        now: int,
    ) -> None:
        """Enqueue the events of a change that the subscription of its owner selects."""
        has_address, query = outbox.query_of(connection, owner)
        if has_address:
            wanted = self._events.heard(query)
            chosen = [each for each in raised if each.name in wanted]
            outbox.enqueue(connection, owner, number, version, raised=chosen, now=now)

    def _new(self, request: Request, sent: Ticket) -> Ticket:
        """Return a new ticket: the sent members and those that are filled in."""
        number, now = new_number(request.now), stamp(request.now)
        return filling.created(
            self._filling,
            {**sent, **self._first},
            number=number,
            url=self._hrefs.of(number),
            now=now,
        )

    def _not_met(self, body: Any, report: Report) -> ApiError:
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
        after = filling.with_items(self._filling, change.ticket, before, now)
        if after != before:
            filling.changed(self._filling, before, after, status=self._status, now=now)
        return after

    def _response(
        self, status: int, ticket: Ticket, version: int, warnings: Iterable[Finding], **headers: str
    ) -> Response:
        headers["ETag"] = etag(version)
        if self._side.unsupported is not None and (named := dropped(warnings)):
            headers[self._side.unsupported] = _named(named)
        return Response(status=status, headers=headers, body=dumps(ticket))


def _number(request: Request) -> str:
    """Return the id in the path: its only parameter."""
    return next(iter(request.path.values()))


def _list_path(side: Side) -> str:
    """Return the path of the list."""
    found = side.find("list")
    return "" if found is None else found.path


def new_event_id() -> str:
    """Return an id for an event."""
    return str(uuid4())


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


def _links(request: Request, path: str, query: Query, page: ticket_rows.Page) -> str:
    """Return the Link header of a page (RFC 8288): `next` by a cursor, all others by offset."""
    given = [part for part in request.query.decode("latin-1").split("&") if part]
    rest = [part for part in given if part.partition("=")[0] not in {"offset", "limit", "cursor"}]

    def link(relation: str, *places: str) -> str:
        # A URL within <> must not contain these characters.
        address = "&".join([*rest, *places, f"limit={query.limit}"])
        address = address.replace("<", "%3C").replace(">", "%3E").replace('"', "%22")
        return f'<{request.base}{path}?{address}>; rel="{relation}"'

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
