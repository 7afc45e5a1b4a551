"""From the texts of payloads to what is to be said about them.

A Judge is a Question (which rules, which process, what of unsupported members) made ready; it takes
the parts of a reading and gives Tallies: how many payloads, and a Judged for each one that there is
something to say about. A payload that passes leaves no trace but its count, and takes the quickest
way: one parse, one test, one look for repeated names. Only the others are validated in detail and
have their findings' places looked up.

A payload that cannot be judged is unreadable, with a reason: no JSON, a member name that stands
twice in one object (readers differ on which one counts; RFC 8259, section 4), or a JSON Patch that
has no meaning for the ticket. Questions, parts and tallies are plain values, so that all this may
run in another process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from ttrules.book import Book, shipped
from ttrules.codes import path_of, pointer
from ttrules.errors import NotJSON, PatchNotApplicable, ProcessNotSelected
from ttrules.positions import Extent, Spot, Text, locate, repeated
from ttrules.reading import BLANK, Lines, Payload, Reading, Span, Unreadable, parts_of
from ttrules.sentences import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ttrules.codes import Engine, Unsupported
    from ttrules.findings import Finding, Report
    from ttrules.positions import Place
    from ttrules.reading import Part

#: Findings about a member as such, which are shown at its name; the others are at its value.
_AT_KEY: Final = frozenset({"prohibited", "not_supported", "unknown_field"})
#: The members of an operation of a JSON Patch whose pointers say what it writes or takes away.
_TOUCHES: Final = {"move": ("path", "from"), "test": ()}
#: What parsing, or a test that is no verdict, may raise for an odd payload.
_ODD: Final = (LookupError, TypeError, ValueError, ArithmeticError, RecursionError)


class Question(NamedTuple):
    """What is asked about each payload.

    `rules` is a directory of compiled rules (None: the shipped ones), `process` a name or slug
    (None: the Add process that each payload names itself), `current` the ticket that each payload
    is a change of (None: they are no changes). `shown` asks for the lines around the findings.
    """

    rules: str | None = None
    process: str | None = None
    current: Any = None
    unsupported: Unsupported | None = None
    engine: Engine = "fast"
    shown: bool = False


class Judged(NamedTuple):
    """What is to be said about one payload, the `index`-th of its file from 0.

    `spot` is where the payload stands, or, when it is unreadable, where and `reason` why.
    """

    index: int  # type: ignore[assignment]  # the method of tuples is not missed
    spot: Spot
    process: str | None = None
    findings: tuple[tuple[Finding, Spot], ...] = ()
    reason: str | None = None

    @property
    def status(self) -> str:
        """One of ``valid``, ``invalid`` and ``unreadable``."""
        if self.reason is not None:
            return "unreadable"
        invalid = any(finding.severity == "error" for finding, _ in self.findings)
        return "invalid" if invalid else "valid"

    def moved(self, payloads: int, lines: int) -> Judged:
        """Return the same, so many payloads and lines further down in the file."""
        findings = tuple((finding, spot.moved(lines)) for finding, spot in self.findings)
        return self._replace(
            index=self.index + payloads, spot=self.spot.moved(lines), findings=findings
        )


class Tally(NamedTuple):
    """What came of some parts: payloads met, line ends passed, and what is to be said."""

    payloads: int
    lines: int
    judged: list[Judged]


def book_of(rules: str | None) -> Book:
    """Return the book of a directory, or the shipped one. Raises SpecError."""
    return shipped() if rules is None else Book.read(rules)


def stored_ticket(book: Book, name: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the ticket that a file holds; Unreadable where it is none that can be changed."""
    part = next(iter(Reading(name, "one")))
    if not isinstance(part, Payload):
        return part
    text = Text(part.text, 1, 1, shown=False)
    try:
        value = orjson.loads(text.text)
        book.validate_change(value, {})
        repeat = _repeat(text, value)
    except orjson.JSONDecodeError as error:
        extent, reason = _wrong(text, error)
        repeat = extent, reason
    except (NotJSON, ProcessNotSelected) as error:
        repeat = Extent(0, 1), str(error)
    if repeat is None:
        return value
    spot = text.spot(repeat[0])
    return Unreadable(spot.line, spot.column, repeat[1])


class Judge:
    """A Question, ready to be asked. Raises SpecError and NoSuchProcess when it is made."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.book = book_of(question.rules)
        self._passes = self._quickest()
        self._payloads = self._lines = 0
        self._judged: list[Judged] = []

    def judge(self, parts: Iterable[Part]) -> Tally:
        """Return the Tally of some parts. Its indices and lines count from the first of them."""
        self._payloads = self._lines = 0
        self._judged = []
        for part in parts:
            match part:
                case Lines():
                    self._judge_lines(part.text)
                case Span():
                    self._judge_span(part)
                case Payload():
                    self._tell(Text(part.text, part.line, part.column, shown=self.question.shown))
                case _:
                    self._refuse(part)
        return Tally(self._payloads, self._lines, self._judged)

    def _quickest(self) -> Callable[[Any], bool]:
        """Return the quickest test that there is nothing to say about a payload."""
        process = self.question.process
        test = None if process is None else self.book.passes(process)
        if self.question.current is not None or self.question.engine != "fast":
            return lambda _: False
        if test is not None:
            return test
        field, passes = self.book.data["selection"]["field"], _Passes(self.book)
        return lambda value: passes[value[field]](value)

    def _judge_lines(self, text: bytes) -> None:
        loads, dumps, passes = orjson.loads, orjson.dumps, self._passes
        rows = text.split(b"\n")
        first, quick = self._lines + 1, 0
        for number, row in enumerate(rows, first):
            try:
                value = loads(row)
                if passes(value):
                    written = dumps(value)
                    if written == row or not _may_repeat(row, written):
                        quick += 1
                        continue
            except _ODD:
                pass  # either it is blank, or what is wrong with it is told below
            if row.strip(BLANK):
                self._payloads, quick = self._payloads + quick, 0
                self._tell(Text(row, number, 1, shown=self.question.shown))
        self._payloads += quick
        self._lines += len(rows) - 1

    def _judge_span(self, span: Span) -> None:
        try:
            for part in parts_of(span):
                if isinstance(part, Lines):
                    self._judge_lines(part.text)
                else:
                    self._refuse(part)
        except OSError as error:
            self._refuse(Unreadable(1, 1, Said("not_read", detail=error.strerror)))

    def _refuse(self, part: Unreadable) -> None:
        line = self._lines + part.line
        spot = Spot(line, part.column, line, part.column + 1)
        self._judged.append(Judged(self._payloads, spot, reason=part.reason))
        self._payloads += 1

    def _tell(self, text: Text) -> None:
        """Judge one payload in detail, and count it."""
        judged = self._judgement(text)
        if judged.reason is not None or judged.findings:
            self._judged.append(judged)
        self._payloads += 1

    def _judgement(self, text: Text) -> Judged:
        index = self._payloads
        try:
            value = orjson.loads(text.text)
        except orjson.JSONDecodeError as error:
            extent, reason = _wrong(text, error)
            return Judged(index, text.spot(extent), reason=reason)
        try:
            report = self._report(value)
        except (NotJSON, PatchNotApplicable) as error:
            at = error.pointer if isinstance(error, NotJSON) else f"/{error.index}"
            extent = _extent(locate(text.decoded, (at,))[at], at_key=False)
            return Judged(index, text.spot(extent), reason=str(error))
        if (repeat := _repeat(text, value)) is not None:
            return Judged(index, text.spot(repeat[0]), reason=repeat[1])
        return self._with_places(text, value, report)

    def _report(self, value: object) -> Report:
        _, process, current, unsupported, engine, _ = self.question
        book = self.book
        if current is not None:
            change = book.validate_change(current, value, unsupported=unsupported, engine=engine)
            return change.report
        if process is not None:
            return book.validate(value, process, unsupported=unsupported, engine=engine)
        return book.validate_new(value, unsupported=unsupported, engine=engine)

    def _with_places(self, text: Text, value: object, report: Report) -> Judged:
        findings = list(report)
        pointers = {each.pointer: each.pointer for each in findings}
        if self.question.current is not None and isinstance(value, list):
            pointers = {each: _in_patch(value, each) for each in pointers}
        places = locate(text.decoded, ("", *pointers.values())) if findings else {}
        placed = []
        for finding in findings:
            place = places[pointers[finding.pointer]]
            placed.append((finding, text.spot(_extent(place, at_key=finding.code in _AT_KEY))))
        spot = text.spot(places[""].value if findings else Extent(0, 1))
        return Judged(self._payloads, spot, report.process, tuple(placed))


class _Passes(dict[object, "Callable[[Any], bool]"]):
    """The quickest test of each process that a new payload can name, made when first needed."""

    def __init__(self, book: Book) -> None:
        super().__init__()
        self.book = book
        self.adds = {
            each["value"]: each["name"]
            for each in book.data["processes"]
            if each["operation"] == "add"
        }

    def __missing__(self, value: object) -> Callable[[Any], bool]:
        test = self[value] = self.book.passes(self.adds[value])
        return test


def _may_repeat(text: bytes, written: bytes) -> bool:
    r"""Say whether a member name may stand twice in `text`, which is `written` once parsed.

    A parser keeps one of them, so that two quotes are lost. The same value has the same quotes in
    both but where one is written \u0022.
    """
    return text.count(b'"') != written.count(b'"') or (b"\\" in text and b"\\u0022" in text)


def _repeat(text: Text, value: object) -> tuple[Extent, str] | None:
    """Return the second one of two equal member names of an object, and the reason why not."""
    if not _may_repeat(text.text, orjson.dumps(value)):
        return None
    for place, key in repeated(text.decoded):
        return key, Said("twice", name=repr(path_of(place)[-1][:64]))
    return None


def _wrong(text: Text, error: orjson.JSONDecodeError) -> tuple[Extent, str]:
    """Return where a text stops being JSON, and why."""
    offset, reason = error.pos, Said("not_json", detail=error.msg)
    try:
        text.text.decode()
    except UnicodeDecodeError as undecodable:
        offset, reason = len(text.text[: undecodable.start].decode()), Said("not_utf8")
    return Extent(offset, offset + 1), reason


def _extent(place: Place, *, at_key: bool) -> Extent:
    """Return what to show of a place: what is missing is shown where its object begins."""
    if place.missing:
        return Extent(place.value.start, place.value.start + 1)
    return place.key if at_key and place.key is not None else place.value


def _in_patch(operations: list[Any], about: str) -> str:
    """Return the pointer of the last operation, or the part of it, that made what is at `about`."""
    tokens = path_of(about)
    for index, operation in reversed([*enumerate(operations)]):
        for name in _TOUCHES.get(operation["op"], ("path",)):
            path = path_of(operation[name])
            if all(one in {"-", other} for one, other in zip(path, tokens, strict=False)):
                if len(path) <= len(tokens) and "value" in operation:
                    return pointer((index, "value", *tokens[len(path) :]))
                return pointer((index, name))
    return ""
