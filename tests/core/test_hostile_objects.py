"""Python objects that misbehave: judged by what they store, or NotJSON, and the same everywhere."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn

import pytest

import ttrules
from tests.support.cells import payload_of, stored
from ttrules import NotJSON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROCESS: Final = "Complaint Add"
NOTE: Final = {"text": "x"}
_METHODS: Final = (
    "__bool__ __contains__ __eq__ __getitem__ __hash__ __iter__ __len__ __reversed__ __str__"
    " __float__ __index__ __int__ encode get is_finite items keys values"
).split()


def _fail(*_: object) -> NoReturn:
    message = "no method of a payload is called"
    raise RuntimeError(message)


def _endless(*_: object) -> Iterator[int]:
    while True:
        yield 1


def failing(base: type) -> Any:
    """Return a subclass whose methods fail, all that read it."""
    return type(f"Failing{base.__name__}", (base,), dict.fromkeys(_METHODS, _fail))


def lying(base: type, length: int) -> Any:
    """Return a subclass that reports another length, and iterates without end."""
    members: dict[str, Any] = dict.fromkeys(("__iter__", "items", "keys", "values"), _endless)
    return type(f"Lying{base.__name__}", (base,), {**members, "__len__": lambda _: length})


def claiming(kind: Any, base: type = object) -> Any:
    """Return an object that claims to be of another class, or fails when it is asked."""
    claim = property(_fail) if kind is None else kind
    return type("Claiming", (base,), {"__class__": claim, "value": "x"})()


class Values(Enum):
    """Members with values of every kind."""

    OBJECT = {"text": "x"}
    ARRAY = [{"text": "x"}]
    TUPLE = ({"text": "x"},)
    UNKNOWN = {"nope": [1]}
    DECIMAL = Decimal(3)
    SHORT = lying(list, 0)([NOTE])


class Nested(Enum):
    """A member whose value is a member."""

    OBJECT = Values.OBJECT


class Failing(Enum):
    """A member whose value fails."""

    TEXT = "x"
    value = property(_fail)


class Endless(Enum):
    """A member that is its own value."""

    TEXT = "x"
    value = property(lambda self: self)


class Letter(StrEnum):
    """A text that is a member."""

    A = "x"


class Number(IntEnum):
    """A number that is a member."""

    THREE = 3


class Key(str):
    """A key with the hash of another name, which fails when they are compared."""

    __slots__ = ()

    def __hash__(self) -> int:
        """Hash as the name that every payload has."""
        return hash("ticketType")

    __eq__ = _fail


#: What is judged as the value that is beside it.
STORED: Final[dict[str, tuple[Any, Any]]] = {
    "failing dict": (failing(dict)(NOTE), NOTE),
    "failing list": (failing(list)([NOTE]), [NOTE]),
    "failing tuple": (failing(tuple)([NOTE]), [NOTE]),
    "empty dict of one": (lying(dict, 0)(NOTE), NOTE),
    "empty list of one": (lying(list, 0)([NOTE]), [NOTE]),
    "huge list of one": (lying(list, 10**9)([NOTE]), [NOTE]),
    "huge tuple of one": (lying(tuple, 10**9)([NOTE]), [NOTE]),
    "no class": (claiming(None, list), []),
    "ordered": (OrderedDict(NOTE), NOTE),
    "default": (defaultdict(_fail, NOTE), NOTE),
    "member dict": (Values.OBJECT, NOTE),
    "member list": (Values.ARRAY, [NOTE]),
    "member tuple": (Values.TUPLE, [NOTE]),
    "member unknown": (Values.UNKNOWN, {"nope": [1]}),
    "member decimal": (Values.DECIMAL, 3),
    "member that lies": (Values.SHORT, [NOTE]),
    "member of members": (Nested.OBJECT, NOTE),
    "letter": (Letter.A, "x"),
    "number": (Number.THREE, 3),
}

#: What JSON has no form for.
FORMLESS: Final[dict[str, Any]] = {
    "failing str": failing(str)("x"),
    "failing int": failing(int)(3),
    "failing float": failing(float)(3.0),
    "failing decimal": failing(Decimal)(3),
    "claims to be a dict": claiming(dict),
    "claims to be a list": claiming(list),
    "claims to be a str": claiming(str),
    "claims to be an enum": claiming(Enum),
    "claims nothing": claiming(None),
    "failing member": Failing.TEXT,
    "endless member": Endless.TEXT,
    "key": {Key("a"): 1},
}

#: Where in a payload a value may be.
PLACES: Final[dict[str, Callable[[Any], Any]]] = {
    "": lambda value: value,
    **{
        f"/{name}": partial(lambda name, value: {**payload_of(PROCESS), name: value}, name)
        for name in ("note", "name", "ticketType", "channel", "colour")
    },
    "/note/0": lambda value: {**payload_of(PROCESS), "note": [value]},
    "/note/0/text": lambda value: {**payload_of(PROCESS), "note": [{"text": value}]},
}


def verbs(payload: Any) -> Iterator[Callable[[], object]]:
    """Yield every way to judge a payload, in pairs of one way with both engines."""
    patch = [{"op": "add", "path": "/note", "value": payload}]
    for ask in (
        partial(ttrules.validate, payload, PROCESS),
        partial(ttrules.is_valid, payload, PROCESS),
        partial(ttrules.validate_new, payload),
        partial(ttrules.validate_change, stored(PROCESS), payload),
        partial(ttrules.validate_change, stored(PROCESS), patch),
    ):
        for engine in ("fast", "reference"):
            yield partial(ask, engine=engine)


def outcome(ask: Callable[[], object]) -> object:
    """Return what is answered; of an error, what it is."""
    try:
        return ask()
    except ttrules.TTRulesError as error:
        return error


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", STORED)
def test_stored(name: str, place: str) -> None:
    """A subclass or a member is judged as the plain value that it stores, by every verb."""
    odd, plain = STORED[name]
    put = PLACES[place]
    for odd_verb, plain_verb in zip(verbs(put(odd)), verbs(put(plain)), strict=True):
        assert outcome(odd_verb) == outcome(plain_verb)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", FORMLESS)
def test_formless(name: str, place: str) -> None:
    """What only claims to be JSON is NotJSON with its place, by every verb."""
    for ask in verbs(PLACES[place](FORMLESS[name])):
        with pytest.raises(NotJSON) as caught:
            ask()
        assert caught.value.pointer.endswith(place)


def test_current() -> None:
    """A stored ticket may be of a subclass, and is never asked for anything."""
    ticket = failing(dict)(stored(PROCESS))
    change = ttrules.validate_change(ticket, {"@type": "TroubleTicket"})
    assert (change.report.valid, change.ticket) == (True, stored(PROCESS))
