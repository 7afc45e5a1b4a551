"""Parse payload texts, validate them, and attach source positions to the findings.

A PayloadChecker is made from CheckOptions (rules, process, policy for unsupported members). It
takes chunks of a file and returns a BatchResult: the number of payloads, and a PayloadResult for
each payload with findings. A valid payload is only counted, and takes the fast path: one parse, one
test, one look for repeated names. The others are validated in detail, and the positions of their
findings are computed.

A payload that cannot be validated is unreadable, with a reason: invalid JSON, a repeated member
name (parsers differ on which value counts; RFC 8259, section 4), or a JSON Patch that cannot be
applied to the ticket. Options, chunks and results are plain values, so all this can run in another
process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson

from ttrules.checking.files import BLANK, Lines, Payload, Reading, Span, Unreadable, parts_of
from ttrules.checking.json_text import Extent, Text, TextRange, locate, repeated
from ttrules.checking.results import BatchResult, PayloadResult
from ttrules.errors import NotJSON, PatchNotApplicable, ProcessNotSelected
from ttrules.json_values import value_at
from ttrules.message import reason
from ttrules.patch import OPERATIONS
from ttrules.pointers import path_of, pointer
from ttrules.rulebook import Rulebook, shipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ttrules.checking.files import Chunk
    from ttrules.checking.json_text import Place
    from ttrules.checking.results import CheckOptions
    from ttrules.findings import Finding, Report
    from ttrules.json_values import JSONValue
    from ttrules.message import Message

#: Findings about a member as such, which are shown at its name; the others are at its value.
_AT_KEY: Final = frozenset({"prohibited", "not_supported", "unknown_field"})
#: The members of a JSON Patch operation whose pointers it writes or removes.
_TOUCHES: Final = {"move": ("path", "from"), "test": ()}
#: What parsing and the quick test may raise for an odd payload.
_ODD: Final = (LookupError, TypeError, ValueError, ArithmeticError, RecursionError)


def book_of(rules: str | None) -> Rulebook:
    """Return the rulebook of a directory, or the shipped one. Raises SpecError."""
    return shipped() if rules is None else Rulebook.read(rules)


def stored_ticket(book: Rulebook, name: str) -> JSONValue:
    """Return the ticket in a file, or Unreadable if it is not a ticket that can be changed."""
    part = next(iter(Reading(name, "one")))
    if not isinstance(part, Payload):
        return part
    text = Text(part.text, 1, 1, shown=False)
    try:
        value = orjson.loads(text.text)
        book.validate_change(value, {})
        repeat = _repeat(text, value)
    except orjson.JSONDecodeError as error:
        repeat = _wrong(text, error)
    except (NotJSON, ProcessNotSelected) as error:
        repeat = Extent(0, 1), error.message
    if repeat is None:
        return value
    spot = text.spot(repeat[0])
    return Unreadable(spot.line, spot.column, repeat[1])


class PayloadChecker:
    """Checks payloads with some CheckOptions. Creating it raises SpecError and NoSuchProcess."""

    def __init__(self, question: CheckOptions) -> None:
        self.question = question
        self.book = book_of(question.rules)
        self._accepts = self._quickest()
        self._payloads = self._lines = 0
        self._results: list[PayloadResult] = []

    def judge(self, parts: Iterable[Chunk]) -> BatchResult:
        """Return the BatchResult of some chunks; indices and lines count from the first of them."""
        self._payloads = self._lines = 0
        self._results = []
        for part in parts:
            match part:
                case Lines():
                    self._check_lines(part.text)
                case Span():
                    self._check_span(part)
                case Payload():
                    self._check_one(
                        Text(part.text, part.line, part.column, shown=self.question.shown)
                    )
                case _:
                    self._refuse(part)
        return BatchResult(self._payloads, self._lines, self._results)

    def _quickest(self) -> Callable[[Any], bool]:
        """Return the quickest test that a payload has no finding."""
        process = self.question.process
        test = None if process is None else self.book.accepts(process)
        if self.question.current is not None or self.question.engine != "fast":
            return lambda _: False
        if test is not None:
            return test
        selector = self.book.matrix.selector("add")
        if not selector.path:
            return self.book.accepts(selector.unmatched or "")
        path, by_value = selector.path, _Accepts(self.book)
        return lambda value: by_value[value_at(value, path)](value)

    def _check_lines(self, text: bytes) -> None:
        loads, dumps, accepts = orjson.loads, orjson.dumps, self._accepts
        rows = text.split(b"\n")
        first, quick = self._lines + 1, 0
        for number, row in enumerate(rows, first):
            try:
                value = loads(row)
                if accepts(value):
                    written = dumps(value)
                    if written == row or not _may_repeat(row, written):
                        quick += 1
                        continue
            except _ODD:
                pass  # the line is blank, or its error is reported below
            if row.strip(BLANK):
                self._payloads, quick = self._payloads + quick, 0
                self._check_one(Text(row, number, 1, shown=self.question.shown))
        self._payloads += quick
        self._lines += len(rows) - 1

    def _check_span(self, span: Span) -> None:
        try:
            for part in parts_of(span):
                if isinstance(part, Lines):
                    self._check_lines(part.text)
                else:
                    self._refuse(part)
        except OSError as error:
            self._refuse(Unreadable(1, 1, reason("not_read", detail=error.strerror)))

    def _refuse(self, part: Unreadable) -> None:
        line = self._lines + part.line
        spot = TextRange(line, part.column, line, part.column + 1)
        self._results.append(PayloadResult(self._payloads, spot, reason=part.reason))
        self._payloads += 1

    def _check_one(self, text: Text) -> None:
        """Check one payload in detail, and count it."""
        result = self._result_of(text)
        if result.reason is not None or result.findings:
            self._results.append(result)
        self._payloads += 1

    def _result_of(self, text: Text) -> PayloadResult:
        index = self._payloads
        try:
            value = orjson.loads(text.text)
        except orjson.JSONDecodeError as error:
            extent, why = _wrong(text, error)
            return PayloadResult(index, text.spot(extent), reason=why)
        if self.question.current is None and self._is_operation(value):
            return PayloadResult(index, text.spot(Extent(0, 1)), reason=reason("json_patch"))
        try:
            report = self._report(value)
        except (NotJSON, PatchNotApplicable) as error:
            at = error.pointer if isinstance(error, NotJSON) else f"/{error.index}"
            extent = _extent(locate(text.decoded, (at,))[at], at_key=False)
            return PayloadResult(index, text.spot(extent), reason=error.message)
        if (repeat := _repeat(text, value)) is not None:
            return PayloadResult(index, text.spot(repeat[0]), reason=repeat[1])
        return self._with_places(text, value, report)

    def _is_operation(self, value: Any) -> bool:
        """Return whether a payload is an operation of a JSON Patch, or a list of them."""
        matrix, process = self.book.matrix, self.question.process
        adding = [each.name for each in matrix.selector("add").processes]
        names = adding if process is None else [self.book.process(process)]
        first = value[0] if isinstance(value, list) and value else value
        return (
            isinstance(first, dict)
            and isinstance(first.get("path"), str)
            and str(first.get("op")) in OPERATIONS
            and not any("op" in matrix.entities[matrix.root_of(each)] for each in names)
        )

    def _report(self, value: object) -> Report:
        _, process, current, unsupported, engine, _ = self.question
        book = self.book
        if current is not None:
            change = book.validate_change(current, value, unsupported=unsupported, engine=engine)
            return change.report
        if process is not None:
            return book.validate(value, process, unsupported=unsupported, engine=engine)
        return book.validate_new(value, unsupported=unsupported, engine=engine)

    def _with_places(self, text: Text, value: object, report: Report) -> PayloadResult:
        findings = list(report)
        pointers = {each.pointer: each.pointer for each in findings}
        if self.question.current is not None and isinstance(value, list):
            pointers = {each: _in_patch(value, each) for each in pointers}
        places = locate(text.decoded, ("", *pointers.values())) if findings else {}
        placed = []
        for finding in findings:
            place = places[pointers[finding.pointer]]
            placed.append((finding, spot_of(text, finding, place)))
        spot = text.spot(places[""].value if findings else Extent(0, 1))
        return PayloadResult(self._payloads, spot, report.process, tuple(placed))


class _Accepts(dict[object, "Callable[[Any], bool]"]):
    """The quickest test of each process that a new ticket can select, created at first use."""

    def __init__(self, book: Rulebook) -> None:
        super().__init__()
        self.book = book
        self.adds: Mapping[Any, str] = book.selecting

    def __missing__(self, value: object) -> Callable[[Any], bool]:
        test = self[value] = self.book.accepts(self.adds[value])
        return test


def _may_repeat(text: bytes, written: bytes) -> bool:
    r"""Return whether `text` may repeat a member name; `written` is its value, serialised.

    A parser keeps one of them, so that two quotes are lost. The same value has the same quotes in
    both but where one is written \u0022.
    """
    return text.count(b'"') != written.count(b'"') or (b"\\" in text and b"\\u0022" in text)


def _repeat(text: Text, value: object) -> tuple[Extent, Message] | None:
    """Return the second of two equal member names of an object, and the reason."""
    if not _may_repeat(text.text, orjson.dumps(value)):
        return None
    for place, key in repeated(text.decoded):
        return key, reason("twice", name=repr(path_of(place)[-1][:64]))
    return None


def _wrong(text: Text, error: orjson.JSONDecodeError) -> tuple[Extent, Message]:
    """Return the place of the syntax error, and the reason."""
    offset, why = error.pos, reason("not_json", detail=error.msg)
    try:
        text.text.decode()
    except UnicodeDecodeError as undecodable:
        offset, why = len(text.text[: undecodable.start].decode()), reason("not_utf8")
    return Extent(offset, offset + 1), why


def spot_of(text: Text, finding: Finding, place: Place) -> TextRange:
    """Return the TextRange at which a finding is shown; `place` is that of its pointer."""
    return text.spot(_extent(place, at_key=finding.code in _AT_KEY))


def _extent(place: Place, *, at_key: bool) -> Extent:
    """Return the part of a place to show; a missing member is shown at its object's start."""
    if place.missing:
        return Extent(place.value.start, place.value.start + 1)
    return place.key if at_key and place.key is not None else place.value


def _in_patch(operations: list[Any], about: str) -> str:
    """Return the pointer of the operation, or its part, that last wrote the value at `about`."""
    tokens = path_of(about)
    for index, operation in reversed([*enumerate(operations)]):
        for name in _TOUCHES.get(operation["op"], ("path",)):
            path = path_of(operation[name])
            if all(one in {"-", other} for one, other in zip(path, tokens, strict=False)):
                if len(path) <= len(tokens) and "value" in operation:
                    return pointer((index, "value", *tokens[len(path) :]))
                return pointer((index, name))
    return ""
