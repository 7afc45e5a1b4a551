"""The query of GET /troubleTicket: filters, sort, page and fields, from text to a Query.

FIELDS and OPERATORS are the tables: a parameter that is neither a field with an operator nor one of
OTHERS is refused with the nearest one that is. A condition becomes SQL with its values bound, never
written into it. Regular expressions run in re2 alone, which takes linear time, so they are no part
of the SQL; no LIKE either, which backtracks over its wildcards.

What a query means (TMF630 part 1, and spec/openapi.yaml): parameters are joined by and, the values
of one by or; a bare day stands for all of it in UTC; a member that is not there equals nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias
from urllib.parse import parse_qsl, unquote, unquote_plus

import re2  # type: ignore[import-untyped]
from sqlalchemy import and_, or_, select, true

from server.errors import Refused
from server.schema import FILTERED, ticket
from server.schema import operator as operators
from server.sentences import Told, near

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sqlalchemy import ColumnElement

    from server.schema import Sort

#: The parameters that are filters, and the member that each one reads.
FIELDS: Final[dict[str, str]] = {
    "id": "id",
    **{name: name for name in FILTERED},
    "ticketSubType": "ticketSubtype",
}
#: The members that always come along, whatever `fields` asks for, beside those that begin with @.
ALWAYS: Final = ("id", "href")
MOST: Final = 1000
DEFAULT_LIMIT: Final = 100
#: SQLite and PostgreSQL both count so far.
FARTHEST: Final = 2**31 - 1
LONGEST_PATTERN: Final = 256
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(\.\d+)?([Zz]|[+ -]\d\d:\d\d)?", re.ASCII
)
_COMMA: Final = re.compile(r"(?<!\\),")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NAME: Final = re.compile(r"(@?[A-Za-z]+)(?:\.([A-Za-z]+))?")
_SIGNED: Final = re.compile(r"(@?[A-Za-z]+)(>=|<=|==|=~|\*=|!=|>|<)=?(.*)", re.DOTALL)

#: A value to compare with, from its first to its last point: a day is a range of instants.
_Range: TypeAlias = tuple[Any, Any]


#: The operators that compare by order: what each asks of a value and the range that it is compared
#: with, on columns and on Python's values alike.
OPERATORS: Final[dict[str, Callable[[Any, _Range], Any]]] = {
    "eq": lambda value, span: (value >= span[0]) & (value <= span[1]),
    "gt": lambda value, span: value > span[1],
    "gte": lambda value, span: value >= span[0],
    "lt": lambda value, span: value < span[0],
    "lte": lambda value, span: value <= span[1],
}
#: Every operator, with what it asks of a member.
OPERATOR_MEANINGS: Final[dict[str, str]] = {
    "eq": "it is one of the values; `name=value` says the same",
    "ne": "it is not there, or is none of the values",
    "gt": "it is greater",
    "gte": "it is greater or equal",
    "lt": "it is less",
    "lte": "it is less or equal",
    "regex": "its text matches the expression somewhere (RE2 syntax); a comma is part of it",
}
#: The signs that TMF630 has for operators.
SIGNS: Final[dict[str, str]] = {
    ">": "gt",
    ">=": "gte",
    "<": "lt",
    "<=": "lte",
    "==": "eq",
    "!=": "ne",
    "=~": "regex",
    "*=": "regex",
}
#: The parameters that are no filters.
OTHERS: Final = ("fields", "sort", "offset", "limit")
#: The parameter that chooses whose tickets, for those who see the tickets of all.
OPERATOR: Final = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What is asked of one member: that it compares so with any of some values."""

    member: str
    operator: str
    ranges: tuple[_Range, ...] = ()
    patterns: tuple[Any, ...] = ()

    def clause(self) -> ColumnElement[bool]:
        """Return the condition as SQL; of a regular expression only that there is a text."""
        column = ticket.c[self.member]
        if self.operator == "regex":
            return column.is_not(None)
        if self.operator == "ne":
            return or_(column.is_(None), ~_any_of(column, self.ranges))
        if self.operator == "eq":
            return _any_of(column, self.ranges)
        return or_(*(OPERATORS[self.operator](column, each) for each in self.ranges))

    def matches(self, value: str) -> bool:
        """Say whether a text matches any of the regular expressions."""
        # A loop, since any() with a generator takes longer than most expressions do.
        encoded = value.encode()  # of a str re2 would work out places that nobody asks for
        for pattern in self.patterns:  # noqa: SIM110
            if pattern.search(encoded):
                return True
        return False


def _any_of(column: ColumnElement[Any], ranges: Iterable[_Range]) -> ColumnElement[bool]:
    """Return that a column is in one of some ranges; single points are told together."""
    points = [low for low, high in ranges if low == high]
    spans = [span for span in ranges if span[0] != span[1]]
    return or_(column.in_(points), *(OPERATORS["eq"](column, span) for span in spans))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is asked of a list. `sort` has members with whether each is sorted downwards.

    `operators` are the names of those whose tickets are asked for, None for all that are seen.
    """

    conditions: tuple[Condition, ...] = ()
    sort: tuple[tuple[str, bool], ...] = ()
    offset: int = 0
    limit: int = DEFAULT_LIMIT
    fields: frozenset[str] | None = None
    operators: frozenset[str] | None = None

    @property
    def matching(self) -> tuple[Condition, ...]:
        """The conditions that are regular expressions."""
        return tuple(each for each in self.conditions if each.operator == "regex")

    def where(self, operator: str | None) -> ColumnElement[bool]:
        """Return what is asked, of the tickets of one operator or of all, as SQL."""
        clauses = [each.clause() for each in self.conditions]
        if operator is not None:
            clauses.insert(0, ticket.c.operator == operator)
        if self.operators is not None:
            named = select(operators.c.id).where(operators.c.name.in_(sorted(self.operators)))
            clauses.append(ticket.c.operator.in_(named))
        return and_(true(), *clauses)

    def order(self, *, by_index: bool = True) -> list[ColumnElement[Any]]:
        """Return what to sort by; the id comes last, so that pages never overlap.

        Without `by_index` no index is followed: where all tickets are read in any case, to read
        them as they lie and to sort them then takes half the time.
        """
        columns = []
        for member, down in self.sort or (("creationDate", False),):
            column: ColumnElement[Any] = ticket.c[member]
            if not by_index:
                column = column.concat("") if FILTERED.get(member, "text") == "text" else column + 0
            columns.append(column.desc().nulls_last() if down else column.asc().nulls_last())
        return [*columns, ticket.c.id]


def instant_of(text: str) -> int:
    """Return a date-time of a ticket as microseconds since 1970 in UTC."""
    found = _INSTANT.fullmatch(text)
    assert found is not None, "the rules let only a date-time be stored"
    return _microseconds(found)


def _microseconds(found: re.Match[str]) -> int:
    day, time, fraction, zone = found.groups()
    leap = time.endswith(":60")
    time = time[:-2] + "59" if leap else time
    zone = "+00:00" if zone in {None, "Z", "z"} else zone.replace(" ", "+")
    fraction = (fraction or "")[:7]
    moment = datetime.fromisoformat(f"{day}T{time}{zone}") + timedelta(seconds=leap)
    since = (moment - _EPOCH) // _MICROSECOND
    return since + (int(fraction[1:].ljust(6, "0")) if fraction else 0)


def read_query(raw: bytes, *, of_all: bool = False) -> Query:
    """Return the Query that a query string asks for; one `of_all` may choose operators.

    Raises Refused(invalidQuery) for a parameter that is unknown, stands twice where it may not, or
    has a value that it cannot have.
    """
    read = _Reading((*OTHERS, OPERATOR) if of_all else OTHERS)
    for part in raw.decode("utf-8", "replace").split("&"):
        if part:
            read.take(*_split(part))
    return read.query()


def read_fields(raw: bytes) -> frozenset[str] | None:
    """Return what the query of a single ticket selects: `fields`, and nothing else is taken."""
    query = read_query(raw)
    if query != Query(fields=query.fields):
        _refuse(Told("only_fields"))
    return query.fields


def select_fields(document: Mapping[str, Any], fields: frozenset[str] | None) -> Mapping[str, Any]:
    """Return the first-level members that are asked for, with those that always come along."""
    if fields is None:
        return document
    return {
        name: value
        for name, value in document.items()
        if name in fields or name in ALWAYS or name.startswith("@")
    }


def _split(part: str) -> tuple[str, str, str]:
    """Return the name, the operator and the raw value of a parameter."""
    name, _, value = part.partition("=")
    if (plain := _NAME.fullmatch(unquote(name))) is not None:
        if plain[2] is None and value[:1] in {"=", "~"} and plain[1] in FIELDS:
            return plain[1], "eq" if value[0] == "=" else "regex", value[1:]
        return plain[1], plain[2] or "eq", value
    if (signed := _SIGNED.fullmatch(part)) is None:
        # The sign itself may be percent-encoded.
        signed = _SIGNED.fullmatch(
            re.sub("%(?:3[c-e]|2a|21|7e)", _decoded, part, flags=re.IGNORECASE)
        )
    if signed is None:
        _refuse_name(unquote(name))
    return signed[1], SIGNS[signed[2]], signed[3]


def _decoded(match: re.Match[str]) -> str:
    return unquote(match[0])


class _Reading:
    """The parameters read so far."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._values: dict[tuple[str, str], list[str]] = {}
        self._others: dict[str, str] = {}

    def take(self, name: str, operator: str, value: str) -> None:
        """Take one parameter."""
        if name in self._names and operator == "eq":
            if name in self._others:
                _refuse(Told("once", name=name))
            self._others[name] = unquote_plus(value)
        elif name in FIELDS:
            if operator not in OPERATOR_MEANINGS:
                hint = near(operator, OPERATOR_MEANINGS)
                _refuse(Told("operator", name=name, operator=repr(operator[:64]), near=hint))
            self._values.setdefault((FIELDS[name], operator), []).append(value)
        else:
            _refuse_name(name if operator == "eq" else f"{name}.{operator}")

    def query(self) -> Query:
        """Return what has been asked for."""
        others = self._others
        wanted = others.get("fields")
        return Query(
            conditions=tuple(_condition(*key, values) for key, values in self._values.items()),
            sort=tuple(_sorting(others["sort"])) if "sort" in others else (),
            offset=whole("offset", others.get("offset", "0"), 0, FARTHEST),
            limit=whole("limit", others.get("limit", str(DEFAULT_LIMIT)), 1, MOST),
            fields=None if wanted is None else frozenset(words(wanted)),
            operators=frozenset(words(others[OPERATOR])) if OPERATOR in others else None,
        )


def _condition(member: str, operator: str, values: Iterable[str]) -> Condition:
    if operator == "regex":
        if FILTERED.get(member, "text") != "text":
            _refuse(Told("no_text", name=member))
        patterns = tuple(_pattern(member, unquote_plus(value)) for value in values)
        return Condition(member=member, operator=operator, patterns=patterns)
    ranges = tuple(
        _range(member, each) for value in values for each in _alternatives(unquote_plus(value))
    )
    return Condition(member=member, operator=operator, ranges=ranges)


def _alternatives(text: str) -> list[str]:
    """Return the values of a list; a comma behind a backslash is part of one.

    Most clients percent-encode every comma, so that this cannot tell the two apart.
    """
    return [each.replace("\\,", ",") for each in _COMMA.split(text)]


def _range(member: str, value: str) -> _Range:
    sort: Sort = FILTERED.get(member, "text")
    if "\0" in value:
        _refuse(Told("nul_in", name=member))
    match sort:
        case "text":
            return value, value
        case "number":
            if _WHOLE.fullmatch(value) is None:
                _refuse(Told("whole", name=member))
            return int(value), int(value)
    return instants(member, value)


def instants(member: str, value: str) -> _Range:
    """Return the first and last instant of a date or date-time. Raises Refused(invalidQuery)."""
    try:
        if _DAY.fullmatch(value):
            first = (datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)) - _EPOCH
            low = first // _MICROSECOND
            return low, low + timedelta(days=1) // _MICROSECOND - 1
        if found := _INSTANT.fullmatch(value):
            instant = _microseconds(found)
            return instant, instant
    except (ValueError, OverflowError):
        pass
    return _refuse(Told("instant", name=member))


def _pattern(member: str, text: str) -> Any:  # noqa: ANN401 - re2 is untyped
    if len(text) > LONGEST_PATTERN:
        _refuse(Told("long_pattern", name=member, most=LONGEST_PATTERN))
    options = re2.Options()
    options.max_mem, options.log_errors = 1 << 20, False
    try:
        return re2.compile(text, options)
    except re2.error:
        _refuse(Told("pattern", name=member))


def _sorting(text: str) -> Iterable[tuple[str, bool]]:
    seen: set[str] = set()
    for word in words(text):
        name = word[1:] if word[0] in "+-" else word
        if name not in FIELDS:
            _refuse(Told("sort", name=repr(name[:64]), near=near(name, FIELDS)))
        member = FIELDS[name]
        if member not in seen:
            seen.add(member)
            yield member, word.startswith("-")


def read_parameters(raw: bytes, *names: str) -> dict[str, str]:
    """Return the parameters of a query that has these alone, each at most once.

    Raises Refused(invalidQuery).
    """
    given: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True):
        if name not in names:
            _refuse(Told("parameter", name=repr(name[:64]), near=near(name, names)))
        if name in given:
            _refuse(Told("once", name=name))
        given[name] = value
    return given


def words(text: str) -> list[str]:
    """Return the words of a list that commas separate."""
    return [word.strip() for word in text.split(",") if word.strip()]


def whole(name: str, text: str, least: int, most: int) -> int:
    """Return the whole number that a parameter is. Raises Refused(invalidQuery)."""
    if _WHOLE.fullmatch(text) is None or not least <= int(text) <= most:
        _refuse(Told("whole_between", name=name, least=least, most=most))
    return int(text)


def _refuse_name(name: str) -> NoReturn:
    hint = near(name.partition(".")[0], (*FIELDS, *OTHERS))
    _refuse(Told("parameter", name=repr(name[:64]), near=hint))


def _refuse(message: Told) -> NoReturn:
    raise Refused("invalidQuery", message)
