"""Judging a payload for anybody who asks: POST /check, which creates nothing and keeps nothing.

What a text is told here is what an operation would tell its sender, with the place of each finding
in the text and all that the matrix says of its cell. Since nobody is asked who they are, everything
is bounded: how often an address may ask, how many wait, how many values a payload has, how many
findings are told. The threads of `validation` do the work, and all clients without credentials
count as one owner there; nothing of a payload is logged, stored or repeated.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from server.errors import MOST_FINDINGS, Refused, fitting
from server.filtering import choice, read_parameters
from server.languages import language_of, spoken
from server.rate_limit import RateLimit, network_of
from server.sentences import Told
from server.wire import Answer, dumps, loads, without_mark
from ttrules.errors import NoSuchCell, NoSuchProcess, NotJSON
from ttrules.explain import conditions, decisions, type_of, unsupported
from ttrules.judging import spot_of
from ttrules.languages import catalogue
from ttrules.positions import Text, locate
from ttrules.report import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.config import Config
    from server.validation import Validation
    from server.wire import Asked
    from ttrules.book import Book
    from ttrules.codes import Unsupported
    from ttrules.explain import Point
    from ttrules.findings import Finding, Report
    from ttrules.languages import Catalogue

_SEVERITIES: Final = ("error", "warning", "undetermined")
_FLAGS: Final = {"true": True, "false": False}


class _Wanted(NamedTuple):
    """What a query asks for: by the rules of which process, and whether strictly."""

    process: str | None = None
    unsupported: Unsupported | None = None


class Checker:
    """The operation on payloads. Lives in the event loop."""

    def __init__(self, book: Book, config: Config, validation: Validation) -> None:
        self._book = book
        self._validation = validation
        self._checks = RateLimit(config.checks_per_minute)

    async def check(self, asked: Asked) -> Answer:
        """POST /check: 200 with the report, whatever it says."""
        self._count(asked.address)
        wanted, language = self._wanted(asked.query), language_of(asked.headers)
        judged = partial(self._judged, asked.raw, wanted, language)
        body = await self._validation.run("", judged)
        return Answer(status=200, headers=spoken(language), body=body)

    def _count(self, address: str) -> None:
        """Count a payload. Raises Refused(tooManyRequests)."""
        network = network_of(address)
        if seconds := self._checks.wait(network):
            raise Refused("tooManyRequests", headers={"Retry-After": str(seconds)})
        self._checks.add(network)

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

        Raises Refused as `loads` does, and for what JSON cannot hold.
        """
        payload = loads(raw)
        text = Text(without_mark(raw), 1, 1, shown=False)
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
            return self._book.validate_new(payload, unsupported=unsupported, most=MOST_FINDINGS)
        return self._book.validate(payload, process, unsupported=unsupported, most=MOST_FINDINGS)


def told(book: Book, text: Text, report: Report, language: str) -> dict[str, Any]:
    """Return a report on the payload of a text, each finding with its place and its cell.

    Sentences are in `language`; what the spec says of a cell stays in its own.

    The findings of each kind are in the order of the text.
    """
    findings, words = list(report), catalogue(language)
    places = locate(text.decoded, {each.pointer for each in findings}) if findings else {}

    def said(finding: Finding) -> dict[str, Any]:
        spot = spot_of(text, finding, places[finding.pointer])
        more = {"cell": cell} if (cell := cell_of(book, finding, words)) is not None else {}
        return {**finding.to_dict(language), **place_of(spot), **more}

    findings.sort(key=lambda each: places[each.pointer].value.start)
    # The sort is stable: what makes a payload invalid is listed first.
    findings.sort(key=lambda each: _SEVERITIES.index(each.severity))
    found: dict[str, list[dict[str, Any]]] = {severity: [] for severity in _SEVERITIES}
    for each in fitting(map(said, findings)):
        found[each["severity"]].append(each)
    listed = sum(map(len, found.values()))
    return {
        "valid": report.valid,
        "process": report.process,
        "slug": None if report.process is None else book.slug(report.process),
        "violations": found["error"],
        "warnings": found["warning"],
        "undetermined": found["undetermined"],
        "left_out": report.left_out + len(findings) - listed,
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
