"""The engines: what they take for JSON, and that one which breaks inside is never a verdict."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from math import nan
from typing import Any

import pytest

import ttrules
from tests.support.cells import payload_of
from tests.support.oracle import PROCESSES, SPEC
from ttrules import NotJSON
from ttrules.json_values import to_plain, to_tree

ENGINES: tuple[Any, ...] = ("fast", "reference")
FILES = {name: SPEC / f"{name}.yaml" for name in ("openapi", "requirements", "interpretation")}


class Colour(StrEnum):
    """Members that are texts."""

    RED = "red"


class Level(IntEnum):
    """Members that are integers."""

    FIVE = 5


class Origin(Enum):
    """Members whose values are texts."""

    PHONE = "Phone"


Pair = namedtuple("Pair", ["one", "two"])  # noqa: PYI024 - it is a tuple that is wanted


class TestAlike:
    """Some values of Python are JSON, though no parser makes them; they are judged as such."""

    @pytest.mark.parametrize(
        ("field", "value", "alike"),
        [
            ("name", Origin.PHONE, "Phone"),
            ("origin", Origin.PHONE, "Phone"),
            ("severity", Colour.RED, "red"),
            ("priority", Level.FIVE, 5),
            ("priority", Decimal(5), 5),
            ("priority", Decimal("5.0"), 5),
            ("priority", Decimal("5.5"), 5.5),
            ("priority", Decimal(11), 11),
            ("priority", Decimal("1e-400"), 0.5),
            ("priority", Decimal("5.00000000000000000000001"), 5.5),
            ("priority", Decimal("4.99999999999999999999999"), 5.5),
            ("name", Decimal("5.5"), 5.5),
            ("note", ({"text": "x"},), [{"text": "x"}]),
            ("note", Pair({"text": "x"}, {}), [{"text": "x"}, {}]),
            ("note", [OrderedDict(text="x")], [{"text": "x"}]),
            ("channel", Pair(1, (2,)), [1, [2]]),
            ("colour", Pair(1, (2,)), [1, [2]]),
            ("name", Pair(1, 2), [1, 2]),
        ],
    )
    def test_alike(self, field: str, value: Any, alike: Any) -> None:
        """Tuples count as arrays, members of an Enum as their values, Decimals as numbers."""
        for process in PROCESSES[:2]:
            payload = {**payload_of(process), field: value}
            plain = {**payload_of(process), field: alike}
            report = ttrules.validate(plain, process)
            for engine in ENGINES:
                assert ttrules.validate(payload, process, engine=engine) == report
                assert ttrules.is_valid(payload, process, engine=engine) is report.valid

    def test_shared_parts(self) -> None:
        """One object that occurs in two places counts as two objects."""
        payload = payload_of(PROCESSES[0])
        payload["note"] = [{"text": ""}] * 2
        for engine in ENGINES:
            report = ttrules.validate(payload, PROCESSES[0], engine=engine)
            assert [each.pointer for each in report] == ["/note/0/text", "/note/1/text"]

    def test_plain_copies(self) -> None:
        """A plain copy shares what the value shares; a tree shares nothing."""
        part = {"a": (Level.FIVE, Decimal("1.5"), Decimal(2))}
        copy = to_plain([part, part])
        assert copy == [{"a": [5, 1.5, 2]}] * 2
        assert copy[0] is copy[1]
        tree = to_tree([part, part])
        assert tree == copy
        assert tree[0] is not tree[1]
        assert [type(each) for each in tree[0]["a"]] == [int, float, int]


class TestBrokenEngine:
    """An engine that breaks inside is EngineFailed, and never reads as valid."""

    @pytest.mark.parametrize("error", [ValueError, RuntimeError, KeyError, RecursionError, OSError])
    @pytest.mark.parametrize("process", PROCESSES)
    def test_fast(
        self, process: str, error: type[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both forms of the fast engine break: there is no verdict, on a valid payload neither."""

        def broken(_: object) -> Any:
            """Break as an engine might."""
            raise error

        book = ttrules.load(**FILES)
        payload = payload_of(process)
        assert book.is_valid(payload, process)
        rules = book.rules(process)
        monkeypatch.setattr(rules, "accepts", broken)
        monkeypatch.setitem(book._accepts, process, broken)
        assert book.validate(payload, process).valid, "the other form still judges"
        assert book.is_valid(payload, process)
        monkeypatch.setattr(rules._fast, "_iter_errors", broken)
        for ask in (book.validate, book.is_valid, book.check):
            with pytest.raises(ttrules.EngineFailed) as caught:
                ask(payload, process)
            assert isinstance(caught.value.__cause__, error)
        assert book.validate(payload, process, engine="reference").valid

    def test_reference(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The reference engine breaks: there is no verdict."""

        def broken(*_: object) -> Any:
            """Break as an engine might."""
            raise ZeroDivisionError

        monkeypatch.setattr("ttrules.engines.ReferenceEngine.errors", broken)
        for ask in (ttrules.validate, ttrules.is_valid, ttrules.check):
            with pytest.raises(ttrules.EngineFailed):
                ask(payload_of(PROCESSES[0]), PROCESSES[0], engine="reference")

    def test_payload_at_fault(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the payload is at fault for the failure, that is what is told."""
        book = ttrules.load(**FILES)
        rules = book.rules(PROCESSES[0])
        monkeypatch.setattr(rules, "accepts", lambda _: 1 / 0)
        monkeypatch.setattr(rules._fast, "_iter_errors", lambda _: 1 / 0)
        with pytest.raises(NotJSON) as caught:
            book.validate({"name": nan}, PROCESSES[0])
        assert caught.value.pointer == "/name"

    @pytest.mark.parametrize("engine", ENGINES)
    def test_unknown_keyword(self, engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """A schema path that has no meaning is EngineFailed, which names it."""
        book = ttrules.load(**FILES)
        monkeypatch.setattr(book.rules(PROCESSES[0]), "_meanings", {})
        with pytest.raises(ttrules.EngineFailed, match="/required"):
            book.validate({}, PROCESSES[0], engine=engine)
