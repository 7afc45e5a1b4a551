"""The query of GET /troubleTicket: filters, sort, page and fields, from text to a Query.

FIELDS and OPERATOR_MEANINGS are the tables: a parameter that is neither a field with an operator
nor one of OTHERS is rejected with the nearest one that is; so are a value that an enum does not
have and a member that no ticket has. MOST_* bound what one query may ask for.

What a query means (TMF630 part 1, and spec/openapi.yaml): parameters are joined by and, the values
of one by or; a bare day stands for all of it in UTC; a member that is not there equals nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn
from urllib.parse import parse_qsl, unquote, unquote_plus

import re2  # type: ignore[import-untyped]

from server.cursors import position_of
from server.errors import Refused
from server.schema import FILTERED
from server.sentences import Told, near
from server.ticket_query import DEFAULT_LIMIT, Condition, Query

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from server.schema import Sort
    from server.ticket_query import Range

#: The parameters that are filters, and the member that each one reads.
FIELDS: Final[dict[str, str]] = {
    "id": "id",
    **{name: name for name in FILTERED},
    "ticketSubType": "ticketSubtype",
}
#: The members that always come along, whatever `fields` asks for, beside those that begin with @.
ALWAYS: Final = ("id", "href")
MOST: Final = 1000
#: SQLite and PostgreSQL both count so far.
FARTHEST: Final = 2**31 - 1
LONGEST_PATTERN: Final = 256
#: What all expressions of a query together may be: how many, and how many instructions of RE2.
MOST_PATTERNS: Final = 4
MOST_INSTRUCTIONS: Final = 2_000
#: How many values one parameter may have, and all parameters of one member and operator together.
MOST_VALUES: Final = 200
_MOST_TOGETHER: Final = 2 * MOST_VALUES
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
OTHERS: Final = ("fields", "sort", "offset", "limit", "cursor")
#: The parameter that chooses whose tickets, for those who see the tickets of all.
OPERATOR: Final = "operator"


class Known(NamedTuple):
    """What the document says of a ticket: its members, and the values of those that are enums.

    Of what is not known nothing is rejected.
    """

    members: Collection[str] = ()
    values: Mapping[str, Collection[str]] = {}


ANY: Final = Known()


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


def read_query(raw: bytes, known: Known = ANY, *, of_all: bool = False) -> Query:
    """Return the Query that a query string asks for; one `of_all` may choose operators.

    Raises Refused(invalidQuery) for a parameter that is unknown, stands twice where it may not, or
    has a value that it cannot have.
    """
    read = _Reading((*OTHERS, OPERATOR) if of_all else OTHERS, known)
    for part in raw.decode("utf-8", "replace").split("&"):
        if part:
            read.take(*_split(part))
    return read.query()


def read_fields(raw: bytes, known: Known = ANY) -> frozenset[str] | None:
    """Return what the query of a single ticket selects: `fields`, and nothing else is taken."""
    if not raw:
        return None
    query = read_query(raw, known)
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

    def __init__(self, names: tuple[str, ...], known: Known) -> None:
        self._names = names
        self._known = known
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
        query = Query(
            conditions=tuple(self._conditions()),
            sort=tuple(_sorting(others["sort"])) if "sort" in others else (),
            offset=whole("offset", others.get("offset", "0"), 0, FARTHEST),
            limit=whole("limit", others.get("limit", str(DEFAULT_LIMIT)), 1, MOST),
            fields=self._fields(others["fields"]) if "fields" in others else None,
            operators=frozenset(listed(OPERATOR, others[OPERATOR])) if OPERATOR in others else None,
        )
        if "cursor" not in others:
            return query
        if "offset" in others:
            _refuse(Told("cursor_or_offset"))
        return replace(query, after=position_of(query, others["cursor"]))

    def _fields(self, text: str) -> frozenset[str]:
        members = self._known.members
        names = listed("fields", text)
        for name in names:
            if members and name not in members:
                hint = near(name, members)
                _refuse(Told("field", name=repr(name[:64]), near=hint))
        return frozenset(names)

    def _conditions(self) -> Iterable[Condition]:
        patterns = instructions = 0
        for (member, operator), texts in self._values.items():
            if operator == "regex":
                patterns += len(texts)
                if patterns > MOST_PATTERNS:
                    _refuse(Told("patterns", most=MOST_PATTERNS))
                condition = _matching(member, texts)
                instructions += sum(each.programsize for each in condition.patterns)
                if instructions > MOST_INSTRUCTIONS:
                    _refuse(Told("large_pattern", most=MOST_INSTRUCTIONS))
            else:
                condition = self._comparing(member, operator, texts)
            yield condition

    def _comparing(self, member: str, operator: str, texts: Iterable[str]) -> Condition:
        lists = [_alternatives(unquote_plus(text)) for text in texts]
        words = [word for each in lists for word in each]
        if len(words) > _MOST_TOGETHER or any(len(each) > MOST_VALUES for each in lists):
            _refuse(Told("query_values", most=MOST_VALUES))
        known = self._known.values.get(member)
        for word in words:
            if not word:
                _refuse(Told("empty", name=member))
            if known is not None:
                choice(member, word, known)
        ranges = tuple(_range(member, each) for each in words)
        return Condition(member=member, operator=operator, ranges=ranges)


def _matching(member: str, texts: Iterable[str]) -> Condition:
    if FILTERED.get(member, "text") != "text":
        _refuse(Told("no_text", name=member))
    patterns = tuple(_pattern(member, unquote_plus(each)) for each in texts)
    return Condition(member=member, operator="regex", patterns=patterns)


def _alternatives(text: str) -> list[str]:
    """Return the values of a list; a comma behind a backslash is part of one.

    Most clients percent-encode every comma, so that this cannot tell the two apart.
    """
    return [each.replace("\\,", ",") for each in _COMMA.split(text)]


def _range(member: str, value: str) -> Range:
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


def instants(member: str, value: str) -> Range:
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
    if not text:
        _refuse(Told("empty", name=member))
    if len(text) > LONGEST_PATTERN:
        _refuse(Told("long_pattern", name=member, most=LONGEST_PATTERN))
    options = re2.Options()
    # So much memory is enough for the instructions of a query, and for what a search remembers.
    options.max_mem, options.log_errors = 1 << 17, False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        if "too large" in str(error):
            _refuse(Told("large_pattern", most=MOST_INSTRUCTIONS))
        _refuse(Told("pattern", name=member))


def _sorting(text: str) -> Iterable[tuple[str, bool]]:
    seen: set[str] = set()
    for word in listed("sort", text):
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


def listed(name: str, text: str) -> list[str]:
    """Return the words of a list that commas separate, none of them empty.

    Raises Refused(invalidQuery).
    """
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        _refuse(Told("empty", name=name))
    if len(words) > MOST_VALUES:
        _refuse(Told("query_values", most=MOST_VALUES))
    return words


def choice(name: str, value: str, known: Collection[str]) -> str:
    """Return a value that is one of those known. Raises Refused(invalidQuery)."""
    if value not in known:
        hint = near(value, known)
        _refuse(Told("value", name=name, value=repr(value[:64]), near=hint, known=", ".join(known)))
    return value


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
