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
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar
from uuid import UUID, uuid4

import ttrules
from server import kept, outbox
from server.errors import Refused
from server.filtering import read_fields, read_query, select_fields
from server.sentences import Told
from server.wire import JSON_PATCH, Answer, dumps
from server.wrappers import wrapper_hint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import Connection

    from server.events import Events
    from server.filtering import Query
    from server.hrefs import Hrefs
    from server.operators import Role
    from server.store import Store
    from server.wire import Asked
    from ttrules import Book, Change, Finding, Report

#: The header that names what was dropped, and how much of it fits there.
UNSUPPORTED: Final = "Ticket-Unsupported-Members"
_MOST_NAMED: Final = 4_096
#: For how long an Idempotency-Key is remembered, in microseconds.
KEPT_FOR: Final = 24 * 3_600 * 1_000_000
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
    tickets, or the provider for those of all. `hrefs` are the addresses of the tickets.
    """

    def __init__(  # noqa: PLR0913 - what the operations work with
        self,
        store: Store,
        book: Book,
        events: Events,
        wake: Callable[[], None],
        hrefs: Hrefs,
        *,
        by: Role = "operator",
    ) -> None:
        self._store = store
        self._book = book
        self._events = events
        self._wake = wake
        self._hrefs = hrefs
        self._by: Role = by
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
            fingerprint = sha256(json.dumps(asked.body, sort_keys=True).encode()).hexdigest()
            earlier = await self._store.read(
                lambda c: kept.answered(c, asked.operator, key, kept.micros(asked.now)),
                by_key=True,
            )
            if earlier is not None:
                return self._repeated(earlier, fingerprint)
        report = _judged(lambda: self._book.validate_new(asked.body))
        if not report.valid:
            raise self._not_met(asked.body, report)
        ticket = self._new(asked, without(asked.body, dropped(report.warnings)))
        answer = _answer(201, ticket, 1, report.warnings, Location=ticket["href"])

        def job(connection: Connection) -> Answer:
            if key is not None:
                now = kept.micros(asked.now)
                again = kept.answered(connection, asked.operator, key, now)
                if again is not None:  # another process was quicker
                    return self._repeated(again, fingerprint)
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
        fields = read_fields(asked.query)
        _, version, text = await self._store.read(
            lambda c: self._found(c, asked, whole=fields is None), by_key=True
        )
        headers = {"ETag": etag(version)}
        if _is_known(asked, version):
            return Answer(status=304, headers=headers)
        text = self._hrefs.added(text)
        if fields is not None:
            text = dumps(select_fields(json.loads(text), fields))
        return Answer(status=200, headers=headers, body=text)

    async def list(self, asked: Asked) -> Answer:
        """GET /troubleTicket: 200 with a page of tickets, and how many there are."""
        query = read_query(asked.query, of_all=self._sees_all)
        operator = None if self._sees_all else asked.operator
        total, texts = await self._store.read(lambda c: kept.page(c, operator, query))
        texts = [self._hrefs.added(text) for text in texts]
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
        wanted = asked.headers.get("if-match")

        def job(connection: Connection) -> Answer:
            """Change the ticket as it stands now."""
            owner, version, text = self._found(connection, asked, whole=True, to_change=True)
            is_met = wanted is None or _names(wanted, version, "if_match")
            if not is_met or _is_known(asked, version):
                raise Refused("preconditionFailed")
            before = json.loads(self._hrefs.added(text))
            # The clock may have been set back since the last change.
            moment = max(asked.now, datetime.fromisoformat(before["lastUpdate"]))
            before["href"] = self._hrefs.as_sent(before["id"], asked.body)
            change = _judged(lambda: self._book.validate_change(before, asked.body, by=self._by))
            after = self._after(before, change, asked, moment)
            before["href"] = after["href"] = self._hrefs.of(after["id"])
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

    def _repeated(self, earlier: kept.Earlier, fingerprint: str) -> Answer:
        """Return the answer that was given before.

        Raises Refused when something else was asked.
        """
        if earlier.fingerprint != fingerprint:
            raise Refused("keyReused")
        body = self._hrefs.added(earlier.answer.body)
        location = {"Location": json.loads(body)["href"]}
        return replace(earlier.answer, headers={**earlier.answer.headers, **location}, body=body)

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
