"""POST /check: validate a payload for anyone, without storing it.

The report contains the findings that an operation would report, each with its position in the text
and the facts about its matrix cell. Clients are anonymous, so everything is limited: the checks per
address, the waiting jobs, the values of a payload, the listed findings. The threads of `validation`
do the work; all clients without credentials count as one owner there. No part of a payload is
logged, stored or repeated.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from server.api.http import Response, dumps
from server.api.json_body import loads, without_mark
from server.api.query import choice, read_parameters
from server.messages.catalogue import language_of, spoken
from server.messages.en import sentence
from server.problems import MOST_FINDINGS, ApiError, fitting
from server.rate_limit import RateLimit, network_of
from ttrules.analysis.explain import conditions, decisions, type_of, unsupported
from ttrules.checking.json_text import Text, locate
from ttrules.checking.reporters.base import range_to_json
from ttrules.checking.worker import spot_of
from ttrules.errors import NoSuchCell, NoSuchProcess, NotJSON
from ttrules.messages.catalogue import catalogue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.api.http import Request
    from server.config import Config
    from server.validation import Validation
    from ttrules.analysis.explain import Point
    from ttrules.codes import Unsupported
    from ttrules.findings import Finding, Report
    from ttrules.message import Message
    from ttrules.messages.catalogue import Catalogue
    from ttrules.rulebook import Rulebook

_SEVERITIES: Final = ("error", "warning", "undetermined")
_FLAGS: Final = {"true": True, "false": False}


class _Options(NamedTuple):
    """The options of a query: the process, and how unsupported members are handled."""

    process: str | None = None
    unsupported: Unsupported | None = None


class Checker:
    """The operation POST /check. Used from the event loop."""

    def __init__(self, book: Rulebook, config: Config, validation: Validation) -> None:
        self._book = book
        self._validation = validation
        self._checks = RateLimit(config.checks_per_minute)

    async def check(self, request: Request) -> Response:
        """POST /check: 200 with the report of a valid or invalid payload."""
        self._count(request.address)
        options, language = self._options(request.query), language_of(request.headers)
        work = partial(self._checked, request.raw, options, language)
        body = await self._validation.run("", work)
        return Response(status=200, headers=spoken(language), body=body)

    def _count(self, address: str) -> None:
        """Count a check of an address. Raises ApiError(tooManyRequests)."""
        network = network_of(address)
        if seconds := self._checks.wait(network):
            raise ApiError("tooManyRequests", headers={"Retry-After": str(seconds)})
        self._checks.add(network)

    def _options(self, query: bytes) -> _Options:
        """Return the options of a query. Raises ApiError(invalidQuery)."""
        given = read_parameters(query, "process", "strict")
        is_strict = _FLAGS[choice("strict", given.get("strict", "false"), _FLAGS)]
        process = given.get("process")
        if process is not None:
            try:
                process = self._book.process(process)
            except NoSuchProcess:
                slugs = (self._book.slug(each) for each in self._book.processes())
                _refuse(sentence("choose", name="process", values=", ".join(slugs)))
        return _Options(process, "error" if is_strict else None)

    def _checked(self, raw: bytes, options: _Options, language: str) -> bytes:
        """Return the report on a body, with messages in a language.

        Raises ApiError like `loads`, and for values that JSON does not allow.
        """
        payload = loads(raw)
        text = Text(without_mark(raw), 1, 1, shown=False)
        try:
            report = self._report(payload, options)
        except NotJSON as error:
            position = text.spot(locate(text.decoded, (error.pointer,))[error.pointer].value)
            message = sentence("correct_body", why=error.reason)
            raise ApiError("invalidBody", message, at=(position.line, position.column)) from None
        return dumps(report_to_json(self._book, text, report, language))

    def _report(self, payload: object, options: _Options) -> Report:
        process, unsupported = options
        if process is None:
            return self._book.validate_new(payload, unsupported=unsupported, most=MOST_FINDINGS)
        return self._book.validate(payload, process, unsupported=unsupported, most=MOST_FINDINGS)


def report_to_json(book: Rulebook, text: Text, report: Report, language: str) -> dict[str, Any]:
    """Return a report with the position and the matrix cell of each finding.

    Messages are in `language`; descriptions of the spec are not translated. The findings of each
    severity are in the order of the text.
    """
    findings, words = list(report), catalogue(language)
    places = locate(text.decoded, {each.pointer for each in findings}) if findings else {}

    def to_json(finding: Finding) -> dict[str, Any]:
        spot = spot_of(text, finding, places[finding.pointer])
        more = {"cell": cell} if (cell := cell_of(book, finding, words)) is not None else {}
        return {**finding.to_dict(language), **range_to_json(spot), **more}

    findings.sort(key=lambda each: places[each.pointer].value.start)
    # The sort is stable: errors are listed first.
    findings.sort(key=lambda each: _SEVERITIES.index(each.severity))
    found: dict[str, list[dict[str, Any]]] = {severity: [] for severity in _SEVERITIES}
    for each in fitting(map(to_json, findings)):
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


def cell_of(book: Rulebook, finding: Finding, words: Catalogue) -> dict[str, Any] | None:
    """Return the facts about the matrix cell of a finding, or None if it has no cell."""
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
        for each in points(book.matrix, entity, field, words)
        if process in each.processes
    )
    row = f"{entity}.{field}"
    return {
        "anchor": f"{row}/{book.slug(process)}",
        "meaning": words.requirements[cell.requirement],
        "type": type_of(book.matrix.entities[entity][field], words),
        "description": cell.description,
        "conditions": _points(deciding),
        "decisions": _points(decisions(book.matrix, row)),
        "source": cell.source,
    }


def _points(points: Iterable[Point]) -> list[dict[str, str]]:
    return [{"text": each.text, "reason": each.reason} for each in points]


def _refuse(message: Message) -> NoReturn:
    raise ApiError("invalidQuery", message)
