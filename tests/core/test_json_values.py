"""Whatever is no payload is a finding or NotJSON with its place: never a crash, never valid."""

from __future__ import annotations

from collections import UserDict
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from math import inf, nan
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

import ttrules
from tests.support.cells import payload_of, stored
from tests.support.oracle import PROCESSES
from ttrules import NotJSON
from ttrules.codes import MAX_DEPTH, MAX_VALUES
from ttrules.json_values import is_small, measured

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENGINES: tuple[Any, ...] = ("fast", "reference")
engines = pytest.mark.parametrize("engine", ENGINES)


class Text(str):
    """A kind of text."""

    __slots__ = ()


class Whole(int):
    """A kind of integer."""


class Odd(Enum):
    """Members whose values are no JSON."""

    BYTES = b"x"
    NAN = nan


def nested(depth: int, wrap: Callable[[Any], Any]) -> Any:
    """Return a value inside so many arrays or objects."""
    value: Any = 1
    for _ in range(depth):
        value = wrap(value)
    return value


def laughs(levels: int, wrap: Callable[[Any], Any]) -> Any:
    """Return few parts that stand for two to the power of `levels` values."""
    value: Any = "ha"
    for _ in range(levels):
        value = wrap(value)
    return value


def cycle() -> list[Any]:
    """Return a list that holds itself."""
    ring: list[Any] = []
    ring.append({"a": ring})
    return ring


#: What no JSON text stands for; and where in it the offence is.
NO_JSON: dict[str, tuple[Any, str]] = {
    "nan": (nan, ""),
    "infinity": (inf, ""),
    "minus infinity": (-inf, ""),
    "decimal nan": (Decimal("nan"), ""),
    "decimal signalling nan": (Decimal("snan"), ""),
    "decimal infinity": (Decimal("-inf"), ""),
    "decimal too large": (Decimal("1e400"), ""),
    "integer too long": (10**5_000, ""),
    "negative integer too long": (-(10**5_000), ""),
    "bytes": (b"x", ""),
    "bytearray": (bytearray(b"x"), ""),
    "memoryview": (memoryview(b"x"), ""),
    "date": (date(2026, 3, 1), ""),
    "datetime": (datetime(2026, 3, 1, tzinfo=UTC), ""),
    "set": ({1}, ""),
    "frozenset": (frozenset({1}), ""),
    "complex": (1j, ""),
    "uuid": (UUID(int=1), ""),
    "path": (PurePosixPath("x"), ""),
    "range": (range(3), ""),
    "userdict": (UserDict(), ""),
    "object": (object(), ""),
    "class": (int, ""),
    "function": (len, ""),
    "subclass of str": (Text("x"), ""),
    "subclass of int": (Whole(5), ""),
    "enum of bytes": (Odd.BYTES, ""),
    "enum of nan": (Odd.NAN, ""),
    "lone surrogate": ("a\ud800b", ""),
    "surrogate among others": ("é" * 50 + "\udfff", ""),
    "integer key": ({1: "x"}, ""),
    "none key": ({None: "x"}, ""),
    "boolean key": ({True: "x"}, ""),
    "subclass key": ({Text("a"): "x"}, ""),
    "surrogate key": ({"\ud800": "x"}, ""),
    "inside a list": (["x", {"a": b"x"}], "/1/a"),
    "inside a tuple": ((1, {2}), "/1"),
    "nan in a list": ([0.5, [nan]], "/1/0"),
}

#: Where a value may be put into a payload, and its pointer there.
PLACES: dict[str, str] = {
    "the root": "",
    "text": "/name",
    "optional text": "/@baseType",
    "removable text": "/description",
    "choice": "/severity",
    "number": "/priority",
    "list": "/relatedParty",
    "item": "/note/1",
    "text in an item": "/note/0/text",
    "optional text in an item": "/note/0/author",
    "object": "/attachment/0/size",
    "base64": "/attachment/0/content",
    "prohibited": "/creationDate",
    "unsupported": "/channel",
    "unsupported below": "/attachment/0/size/amount",
    "unknown": "/colour",
    "unknown below": "/note/0/colour",
}


def put(payload: Any, pointer: str, value: Any) -> Any:
    """Return a payload with a value at a pointer; missing objects on the way are created."""
    if not pointer:
        return value
    here, (*way, last) = payload, pointer[1:].split("/")
    for token in way:
        here = here[int(token)] if isinstance(here, list) else here.setdefault(token, {})
    here[int(last) if isinstance(here, list) else last] = value
    return payload


def verbs(payload: Any, process: str) -> Iterator[Callable[[], object]]:
    """Yield every way to ask about a payload, on both engines."""
    for engine in ENGINES:
        for verb in (ttrules.validate, ttrules.is_valid, ttrules.check):
            yield partial(verb, payload, process, engine=engine)
        if process.endswith("Change"):
            ticket = stored(process.replace("Change", "Add"))
            yield partial(ttrules.validate_change, ticket, payload, engine=engine)
            yield partial(ttrules.validate_change, payload, {}, engine=engine)
        else:
            yield partial(ttrules.validate_new, payload, engine=engine)


class TestNoJSON:
    """What JSON cannot hold is NotJSON, a TypeError, with the pointer of the offending part."""

    @pytest.mark.parametrize("process", PROCESSES[1:3])
    @pytest.mark.parametrize(("value", "inside"), NO_JSON.values(), ids=NO_JSON)
    def test_everywhere(self, value: Any, inside: str, process: str) -> None:
        """Wherever it stands, every verb raises, and both engines tell the same place."""
        for where in PLACES.values():
            payload = put(payload_of(process), where, value)
            for ask in verbs(payload, process):
                with pytest.raises(NotJSON) as caught:
                    ask()
                assert caught.value.pointer == where + inside
                assert str(caught.value.reason)
                assert isinstance(caught.value, TypeError)

    @pytest.mark.parametrize("where", PLACES)
    @pytest.mark.parametrize(
        "value",
        [
            nested(10_000, lambda value: [value]),
            nested(10_000, lambda value: {"a": value}),
            cycle(),
        ],
        ids=["arrays", "objects", "cycle"],
    )
    def test_depth(self, value: Any, where: str) -> None:
        """Nesting without end is told where it goes too deep."""
        payload = put(payload_of(PROCESSES[0]), PLACES[where], value)
        for ask in verbs(payload, PROCESSES[0]):
            with pytest.raises(NotJSON) as caught:
                ask()
            assert caught.value.pointer.startswith(PLACES[where])
            assert caught.value.pointer.count("/") == MAX_DEPTH

    @engines
    @pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}])
    def test_depth_that_is_allowed(self, engine: Any, wrap: Any) -> None:
        """MAX_DEPTH levels are JSON, the payload's own included; the next one is not."""
        payload = payload_of(PROCESSES[0])
        payload["channel"] = nested(MAX_DEPTH - 1, wrap)
        report = ttrules.validate(payload, PROCESSES[0], engine=engine)
        assert [finding.code for finding in report] == ["not_supported"]
        payload["channel"] = nested(MAX_DEPTH, wrap)
        with pytest.raises(NotJSON):
            ttrules.validate(payload, PROCESSES[0], engine=engine)

    @pytest.mark.parametrize("where", PLACES)
    @pytest.mark.parametrize(
        "wrap", [lambda value: [value, value], lambda value: {"a": value, "b": value}]
    )
    def test_billion_laughs(self, where: str, wrap: Any) -> None:
        """Few parts that stand for a billion values are refused before anything unfolds them."""
        payload = put(payload_of(PROCESSES[0]), PLACES[where], laughs(25, wrap))
        for ask in verbs(payload, PROCESSES[0]):
            with pytest.raises(NotJSON) as caught:
                ask()
            assert caught.value.pointer == ""

    @engines
    def test_number_of_values(self, engine: Any) -> None:
        """A payload may have MAX_VALUES values, its own included; one more is NotJSON."""
        payload = payload_of(PROCESSES[0])
        left = MAX_VALUES - measured(payload)[2] - 1
        payload["colour"] = [1] * left
        report = ttrules.validate(payload, PROCESSES[0], engine=engine)
        assert [each.code for each in report] == ["unknown_field"]
        for more in ([1] * (left + 1), [[1]] * left, {str(at): at for at in range(left + 1)}):
            payload["colour"] = more
            for ask in verbs(payload, PROCESSES[0]):
                with pytest.raises(NotJSON) as caught:
                    ask()
                assert caught.value.pointer == ""

    def test_small(self) -> None:
        """A small payload is a tree of few exact dicts, lists and tuples, whatever its leaves."""
        assert all(map(is_small, (None, "x" * 10**6, [1] * 200, {"a": ([1], {})})))
        large = ([1] * 300, [[1] * 100] * 3, {str(at): at for at in range(300)})
        odd: tuple[Any, ...] = (
            UserDict(),
            [object()],
            [Text()],
            {"a": Odd.NAN},
            type("Mine", (dict,), {})(),
        )
        assert not any(map(is_small, (*large, *odd)))


class TestNoTicket:
    """JSON that is no ticket is one finding, at the payload."""

    @engines
    @pytest.mark.parametrize("process", PROCESSES)
    @pytest.mark.parametrize("payload", [None, True, 5, 1.5, "x", "", [], [{}], ()])
    def test_no_object(self, payload: Any, process: str, engine: Any) -> None:
        """A payload that is no object has no members to be missing."""
        report = ttrules.validate(payload, process, engine=engine)
        code = "null" if payload is None else "type"
        assert [(each.code, each.pointer) for each in report] == [(code, "")]
        assert not ttrules.is_valid(payload, process, engine=engine)
        with pytest.raises(ttrules.RequirementsNotMet):
            ttrules.check(payload, process, engine=engine)
        if process.endswith("Add"):
            new = ttrules.validate_new(payload, engine=engine)
            assert [(each.code, each.pointer) for each in new] == [(code, "")]

    @engines
    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("name", "x" * 50_000_000, "length"),
            ("name", "é" * 10_000_000, "length"),
            ("channel", "x" * 50_000_000, "not_supported"),
            ("severity", "x" * 10_000_000, "enum"),
            ("colour", "x" * 10_000_000, "unknown_field"),
            ("priority", 10**400, "range"),
            ("priority", -(10**4_000), "range"),
            ("priority", 1e308, "range"),
            ("priority", 5e-324, "type"),
            ("priority", "9" * 10_000, "type"),
            ("note", [{"text": "x"}] * 2_501, "length"),
            ("x" * 1_000_000, 1, "unknown_field"),
            ("\x00", 1, "unknown_field"),
            ("", 1, "unknown_field"),
            ("name", "\x00", None),
            ("name", "\U0010ffff", None),
            ("priority", 5.0, None),
            ("priority", True, "type"),
            ("priority", -0.0, "range"),
        ],
    )  # fmt: skip
    def test_huge_and_odd(self, field: str, value: Any, code: str | None, engine: Any) -> None:
        """Values of any size are judged like any other."""
        payload = {**payload_of(PROCESSES[0]), field: value}
        report = ttrules.validate(payload, PROCESSES[0], engine=engine)
        assert [each.code for each in report] == ([] if code is None else [code])

    def test_nameless(self) -> None:
        """A member whose name is empty is told where it stands, at every level."""
        payload = payload_of(PROCESSES[0])
        payload[""] = {"": 1}
        payload["note"][1][""] = payload["attachment"][0]["size"] = {"": {}, "size": {"": None}}
        report = ttrules.validate(payload, PROCESSES[0])
        assert report == ttrules.validate(payload, PROCESSES[0], engine="reference")
        assert [(each.pointer, each.entity, each.field) for each in report] == [
            ("/", "TroubleTicket", ""),
            ("/attachment/0/size/", "Quantity", ""),
            ("/attachment/0/size/size", "Quantity", "size"),
            ("/note/1/", "Note", ""),
        ]

    @engines
    def test_huge_base64(self, engine: Any) -> None:
        """Attachments have their limit, well-formed or not."""
        payload = payload_of(PROCESSES[0])
        cases = {"QUJD" * 4_000_000: "length", "QUJD" * 4_000_000 + "\n": "format", "Q": "format"}
        for content, code in cases.items():
            payload["attachment"][0]["content"] = content
            report = ttrules.validate(payload, PROCESSES[0], engine=engine)
            assert [each.code for each in report] == [code]
