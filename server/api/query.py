"""Parse the query of a list of tickets: filters, sort, page and fields.

The profile's Listing, OPERATOR_MEANINGS and OTHERS list the valid parameters. An unknown parameter,
member or enum value is rejected with the most similar valid one. MOST_* limit one query.

The meaning of a query follows TMF630 part 1 and the document: AND joins parameters, OR joins
the values of one parameter. A date without time is the whole day in UTC. A missing member equals no
value.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import parse_qsl, unquote, unquote_plus

import re2  # type: ignore[import-untyped]

from server.messages.en import near, sentence
from server.problems import ApiError
from server.profile.members import OPERATOR, OTHERS
from server.storage.cursors import position_of
from server.storage.ticket_query import (
    DEFAULT_LIMIT,
    EPOCH,
    INSTANT,
    MICROSECOND,
    MOST_VALUES,
    OPERATOR_MEANINGS,
    Condition,
    Query,
    microseconds,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from server.profile.model import Listing, Sort
    from server.storage.ticket_query import Range
    from ttrules.message import Message

MOST: Final = 1000
#: The largest offset that SQLite and PostgreSQL both support.
FARTHEST: Final = 2**31 - 1
LONGEST_PATTERN: Final = 256
#: The limits of all regular expressions of a query: their number, and their RE2 instructions.
MOST_PATTERNS: Final = 4
MOST_INSTRUCTIONS: Final = 2_000
#: How many values all parameters of one member and operator may have together.
_MOST_TOGETHER: Final = 2 * MOST_VALUES
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_COMMA: Final = re.compile(r"(?<!\\),")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?")
_NAME: Final = re.compile(r"(@?[A-Za-z_][A-Za-z0-9_-]*)(?:\.([A-Za-z]+))?")
_SIGNED: Final = re.compile(r"(@?[A-Za-z_][A-Za-z0-9_-]*)(>=|<=|==|=~|\*=|!=|>|<)=?(.*)", re.DOTALL)

#: The signs of TMF630 for operators.
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


def read_query(raw: bytes, listing: Listing, *, of_all: bool = False) -> Query:
    """Return the Query of a query string; with `of_all` it may select operators.

    Raises ApiError(invalidQuery) for an unknown or duplicate parameter and for an invalid value.
    """
    read = _Reading((*OTHERS, OPERATOR) if of_all else OTHERS, listing)
    for part in raw.decode("utf-8", "replace").split("&"):
        if part:
            read.take(*_split(part, listing.filters))
    return read.query()


def read_fields(raw: bytes, listing: Listing) -> frozenset[str] | None:
    """Return `fields` of a query for a single ticket; other parameters are rejected."""
    if not raw:
        return None
    query = read_query(raw, listing)
    if query != Query(fields=query.fields, default=query.default):
        _refuse(sentence("only_fields"))
    return query.fields


def _split(part: str, filters: Collection[str]) -> tuple[str, str, str]:
    """Return the name, the operator and the raw value of a parameter."""
    name, _, value = part.partition("=")
    if (plain := _NAME.fullmatch(unquote(name))) is not None:
        if plain[2] is None and value[:1] in {"=", "~"} and plain[1] in filters:
            return plain[1], "eq" if value[0] == "=" else "regex", value[1:]
        return plain[1], plain[2] or "eq", value
    if (signed := _SIGNED.fullmatch(part)) is None:
        # The sign itself may be percent-encoded.
        signed = _SIGNED.fullmatch(
            re.sub("%(?:3[c-e]|2a|21|7e)", _decoded, part, flags=re.IGNORECASE)
        )
    if signed is None:
        _refuse_name(unquote(name), filters)
    return signed[1], SIGNS[signed[2]], signed[3]


def _decoded(match: re.Match[str]) -> str:
    return unquote(match[0])


class _Reading:
    """Collects the parameters of a query."""

    def __init__(self, names: tuple[str, ...], listing: Listing) -> None:
        self._names = names
        self._listing = listing
        self._values: dict[tuple[str, str], list[str]] = {}
        self._others: dict[str, str] = {}

    def take(self, name: str, operator: str, value: str) -> None:
        """Add one parameter."""
        if name in self._names and operator == "eq":
            if name in self._others:
                _refuse(sentence("once", name=name))
            self._others[name] = unquote_plus(value)
        elif (member := self._listing.filters.get(name)) is not None:
            if operator not in OPERATOR_MEANINGS:
                hint = near(operator, OPERATOR_MEANINGS)
                _refuse(sentence("operator", name=name, operator=repr(operator[:64]), near=hint))
            self._values.setdefault((member, operator), []).append(value)
        else:
            whole_name = name if operator == "eq" else f"{name}.{operator}"
            _refuse_name(whole_name, self._listing.filters)

    def query(self) -> Query:
        """Return the Query of all parameters."""
        others = self._others
        query = Query(
            conditions=tuple(self._conditions()),
            sort=tuple(self._sorting(others["sort"])) if "sort" in others else (),
            default=self._listing.order,
            offset=whole("offset", others.get("offset", "0"), 0, FARTHEST),
            limit=whole("limit", others.get("limit", str(DEFAULT_LIMIT)), 1, MOST),
            fields=self._fields(others["fields"]) if "fields" in others else None,
            operators=frozenset(listed(OPERATOR, others[OPERATOR])) if OPERATOR in others else None,
        )
        if "cursor" not in others:
            return query
        if "offset" in others:
            _refuse(sentence("cursor_or_offset"))
        return replace(query, after=position_of(query, others["cursor"], self._listing.sorts))

    def _fields(self, text: str) -> frozenset[str]:
        members = self._listing.members
        names = listed("fields", text)
        for name in names:
            if members and name not in members:
                hint = near(name, members)
                _refuse(sentence("field", name=repr(name[:64]), near=hint))
        return frozenset(names)

    def _conditions(self) -> Iterable[Condition]:
        patterns = instructions = 0
        for (member, operator), texts in self._values.items():
            if operator == "regex":
                patterns += len(texts)
                if patterns > MOST_PATTERNS:
                    _refuse(sentence("patterns", most=MOST_PATTERNS))
                condition = self._matching(member, texts)
                instructions += sum(each.programsize for each in condition.patterns)
                if instructions > MOST_INSTRUCTIONS:
                    _refuse(sentence("large_pattern", most=MOST_INSTRUCTIONS))
            else:
                condition = self._comparing(member, operator, texts)
            yield condition

    def _comparing(self, member: str, operator: str, texts: Iterable[str]) -> Condition:
        lists = [_alternatives(unquote_plus(text)) for text in texts]
        words = [word for each in lists for word in each]
        if len(words) > _MOST_TOGETHER or any(len(each) > MOST_VALUES for each in lists):
            _refuse(sentence("query_values", most=MOST_VALUES))
        known = self._listing.values.get(member)
        for word in words:
            if not word:
                _refuse(sentence("empty", name=member))
            if known is not None:
                choice(member, word, known)
        sort = self._listing.sorts[member]
        ranges = tuple(_range(member, each, sort) for each in words)
        return Condition(member=member, operator=operator, ranges=ranges)

    def _matching(self, member: str, texts: Iterable[str]) -> Condition:
        if self._listing.sorts[member] != "text":
            _refuse(sentence("no_text", name=member))
        patterns = tuple(_pattern(member, unquote_plus(each)) for each in texts)
        return Condition(member=member, operator="regex", patterns=patterns)

    def _sorting(self, text: str) -> Iterable[tuple[str, bool]]:
        filters, seen = self._listing.filters, set()
        for word in listed("sort", text):
            name = word[1:] if word[0] in "+-" else word
            if name not in filters:
                _refuse(sentence("sort", name=repr(name[:64]), near=near(name, filters)))
            member = filters[name]
            if member not in seen:
                seen.add(member)
                yield member, word.startswith("-")


def _alternatives(text: str) -> list[str]:
    """Return the values of a list; a comma after a backslash is part of a value.

    Percent-encoding does not make a comma part of a value: most clients encode every comma.
    """
    return [each.replace("\\,", ",") for each in _COMMA.split(text)]


def _range(member: str, value: str, sort: Sort) -> Range:
    if "\0" in value:
        _refuse(sentence("nul_in", name=member))
    match sort:
        case "text":
            return value, value
        case "number":
            if _WHOLE.fullmatch(value) is None:
                _refuse(sentence("whole", name=member))
            return int(value), int(value)
        case "decimal":
            if _DECIMAL.fullmatch(value) is None:
                _refuse(sentence("decimal", name=member))
            return float(value), float(value)
    return instants(member, value)


def instants(member: str, value: str) -> Range:
    """Return the first and last instant of a date or date-time. Raises ApiError(invalidQuery)."""
    try:
        if _DAY.fullmatch(value):
            first = (datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)) - EPOCH
            low = first // MICROSECOND
            return low, low + timedelta(days=1) // MICROSECOND - 1
        if found := INSTANT.fullmatch(value):
            instant = microseconds(found)
            return instant, instant
    except (ValueError, OverflowError):
        pass
    return _refuse(sentence("instant", name=member))


def _pattern(member: str, text: str) -> Any:
    if not text:
        _refuse(sentence("empty", name=member))
    if len(text) > LONGEST_PATTERN:
        _refuse(sentence("long_pattern", name=member, most=LONGEST_PATTERN))
    options = re2.Options()
    # This memory is enough for the instructions of a query and for the state of a search.
    options.max_mem, options.log_errors = 1 << 17, False
    try:
        return re2.compile(text, options)
    except re2.error as error:
        if "too large" in str(error):
            _refuse(sentence("large_pattern", most=MOST_INSTRUCTIONS))
        _refuse(sentence("pattern", name=member))


def read_parameters(raw: bytes, *names: str) -> dict[str, str]:
    """Return the parameters of a query; only these names are valid, each at most once.

    Raises ApiError(invalidQuery).
    """
    given: dict[str, str] = {}
    for name, value in parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True):
        if name not in names:
            _refuse(sentence("parameter", name=repr(name[:64]), near=near(name, names)))
        if name in given:
            _refuse(sentence("once", name=name))
        given[name] = value
    return given


def listed(name: str, text: str) -> list[str]:
    """Return the non-empty words of a comma-separated list.

    Raises ApiError(invalidQuery).
    """
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        _refuse(sentence("empty", name=name))
    if len(words) > MOST_VALUES:
        _refuse(sentence("query_values", most=MOST_VALUES))
    return words


def choice(name: str, value: str, known: Collection[str]) -> str:
    """Return a value if it is one of the known ones. Raises ApiError(invalidQuery)."""
    if value not in known:
        hint = near(value, known)
        _refuse(
            sentence("value", name=name, value=repr(value[:64]), near=hint, known=", ".join(known))
        )
    return value


def whole(name: str, text: str, least: int, most: int) -> int:
    """Return the integer value of a parameter. Raises ApiError(invalidQuery)."""
    if _WHOLE.fullmatch(text) is None or not least <= int(text) <= most:
        _refuse(sentence("whole_between", name=name, least=least, most=most))
    return int(text)


def _refuse_name(name: str, filters: Iterable[str]) -> NoReturn:
    hint = near(name.partition(".")[0], (*filters, *OTHERS))
    _refuse(sentence("parameter", name=repr(name[:64]), near=hint))


def _refuse(message: Message) -> NoReturn:
    raise ApiError("invalidQuery", message)
