"""Judging a payload for anybody who asks: POST /check, which creates nothing and keeps nothing.

What a text is told here is what an operation would tell its sender, with the place of each finding
in the text and all that the matrix says of its cell. Since nobody is asked who they are, everything
is bounded: how often an address may ask, how many wait, how many values a payload has, how many
findings are told. Judging runs in threads of its own, so that a hostile payload delays no other
request by more than the interpreter's turns; nothing of a payload is logged, stored or repeated.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from server.errors import Refused
from server.filtering import choice, read_parameters
from server.languages import language_of, spoken
from server.sentences import Told
from server.wire import Answer, dumps, loads
from ttrules.errors import NoSuchCell, NoSuchProcess, NotJSON
from ttrules.explain import conditions, decisions, type_of, unsupported
from ttrules.judging import spot_of
from ttrules.languages import catalogue
from ttrules.positions import Text, locate
from ttrules.report import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.config import Config
    from server.wire import Asked
    from ttrules.book import Book
    from ttrules.codes import Unsupported
    from ttrules.explain import Point
    from ttrules.findings import Finding, Report
    from ttrules.languages import Catalogue

#: How many payloads are judged at once, and how many more may wait.
_THREADS: Final = 2
_WAITING: Final = 16
#: How many commas and line ends a text may have, those within texts included: about twice its
#: values where it is laid out. No ticket has a tenth of them, and to judge so many takes a second.
MOST_PARTS: Final = 25_000
#: How many findings are told; who has more has seen enough.
MOST_FINDINGS: Final = 500
_FLAGS: Final = {"true": True, "false": False}


class _Wanted(NamedTuple):
    """What a query asks for: by the rules of which process, and whether strictly."""

    process: str | None = None
    unsupported: Unsupported | None = None


class Checker:
    """The operation on payloads. Lives in the event loop."""

    def __init__(self, book: Book, config: Config) -> None:
        self._book = book
        self._threads = ThreadPoolExecutor(_THREADS, "check")
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._limit = RateLimitItemPerMinute(config.checks_per_minute)
        self._under_way = 0

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def check(self, asked: Asked) -> Answer:
        """POST /check: 200 with the report, whatever it says."""
        self._count(asked.address)
        wanted, language = self._wanted(asked.query), language_of(asked.headers)
        if self._under_way >= _THREADS + _WAITING:
            raise Refused("unavailable", headers={"Retry-After": "1"})
        self._under_way += 1
        try:
            loop = asyncio.get_running_loop()
            body = await loop.run_in_executor(
                self._threads, self._judged, asked.raw, wanted, language
            )
        finally:
            self._under_way -= 1
        return Answer(status=200, headers=spoken(language), body=body)

    def _count(self, address: str) -> None:
        """Count a payload. Raises Refused(tooManyRequests)."""
        if not self._limiter.hit(self._limit, address):
            reset = self._limiter.get_window_stats(self._limit, address).reset_time
            seconds = max(1, round(reset - time.time()))
            raise Refused("tooManyRequests", headers={"Retry-After": str(seconds)})

    def _wanted(self, query: bytes) -> _Wanted:
        """Return what a query asks for. Raises Refused(invalidQuery)."""
        given = read_parameters(query, "process", "strict")
        is_strict = _FLAGS[choice("strict", given.get("strict", "false"), _FLAGS)]
        process = given.get("process")
        if process is not None:
            try:
                process = self._book.process(process)
            except NoSuchProcess:
                slugs = (self._book.slug(each) for each in self._book.processes())
                _refuse(Told("choose", name="process", values=", ".join(slugs)))
        return _Wanted(process, "error" if is_strict else None)

    def _judged(self, raw: bytes, wanted: _Wanted, language: str) -> bytes:
        """Return the report on a text, told in a language.

        Raises Refused: invalidBody where it is no payload, contentTooLarge where it has too many
        parts.
        """
        if len(raw) - len(raw.translate(None, b",\n")) > MOST_PARTS:
            raise Refused("contentTooLarge", Told("parts", most=MOST_PARTS))
        payload = loads(raw)
        text = Text(raw, 1, 1, shown=False)
        try:
            report = self._report(payload, wanted)
        except NotJSON as error:
            spot = text.spot(locate(text.decoded, (error.pointer,))[error.pointer].value)
            message = Told("correct_body", why=error.reason)
            raise Refused("invalidBody", message, at=(spot.line, spot.column)) from None
        return dumps(told(self._book, text, report, language))

    def _report(self, payload: object, wanted: _Wanted) -> Report:
        process, unsupported = wanted
        if process is None:
            return self._book.validate_new(payload, unsupported=unsupported)
        return self._book.validate(payload, process, unsupported=unsupported)


def told(book: Book, text: Text, report: Report, language: str) -> dict[str, Any]:
    """Return a report on the payload of a text, each finding with its place and its cell.

    Sentences are in `language`; what the spec says of a cell stays in its own.

    The findings of each kind are in the order of the text.
    """
    findings, words = list(report)[:MOST_FINDINGS], catalogue(language)
    places = locate(text.decoded, {each.pointer for each in findings}) if findings else {}
    found: dict[str, list[dict[str, Any]]] = {"error": [], "warning": [], "undetermined": []}
    for each in sorted(findings, key=lambda each: places[each.pointer].value.start):
        spot = spot_of(text, each, places[each.pointer])
        more = {"cell": cell} if (cell := cell_of(book, each, words)) is not None else {}
        found[each.severity].append({**each.to_dict(language), **place_of(spot), **more})
    return {
        "valid": report.valid,
        "process": report.process,
        "slug": None if report.process is None else book.slug(report.process),
        "violations": found["error"],
        "warnings": found["warning"],
        "undetermined": found["undetermined"],
        "left_out": len(list(report)) - len(findings),
    }


def cell_of(book: Book, finding: Finding, words: Catalogue) -> dict[str, Any] | None:
    """Return all that is known of the cell that a finding is about, None where it has none."""
    entity, field, process = finding.entity, finding.field, finding.process
    if entity is None or field is None or process is None:
        return None
    try:
        cell = book.cell(entity, field, process)
    except NoSuchCell:
        return None
    deciding = (
        each
        for points in (conditions, unsupported)
        for each in points(book.data, entity, field, words)
        if process in each.processes
    )
    row = f"{entity}.{field}"
    return {
        "anchor": f"{row}/{book.slug(process)}",
        "meaning": words.requirements[cell.requirement],
        "type": type_of(book.data["entities"][entity][field], words),
        "description": cell.description,
        "conditions": _points(deciding),
        "decisions": _points(decisions(book.data, row)),
        "source": cell.source,
    }


def _points(points: Iterable[Point]) -> list[dict[str, str]]:
    return [{"text": each.text, "reason": each.reason} for each in points]


def _refuse(message: Told) -> NoReturn:
    raise Refused("invalidQuery", message)
