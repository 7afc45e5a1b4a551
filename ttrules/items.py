"""Items of lists: match sent items with stored ones, and find changes of append-only lists.

Two items match by the first member of `names` (interpretation.yaml, `identity`) that both have, or
else by equal content. Items are looked up in tables, so the time is linear in their number, and
texts are compared without a copy. No rule of the matrix is known here: the caller defines which
part of an item is its content.
"""

from __future__ import annotations

from collections import deque
from collections.abc import (  # noqa: TC003 - a NamedTuple's fields are read at run time
    Callable,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

    from ttrules.json_values import JSONValue
    from ttrules.pointers import Path

#: The place of an alteration or a removal: the list, an item of it, or a member of an item.
Place: TypeAlias = tuple[()] | tuple[int] | tuple[int, str]

_ABSENT: Final = object()


class Rule(NamedTuple):
    """How the items of a list are compared.

    `content` returns the part of an item that a sender can set, `names` are the members that
    identify an item, and `defaults` returns the values of members that a new item omits.
    """

    content: Callable[[Any], Any]
    names: Sequence[str]
    defaults: Callable[[Any], Mapping[str, Any]]

    def completed(self, item: JSONValue) -> JSONValue:
        """Return an item with the defaults."""
        return {**self.defaults(item), **item} if isinstance(item, dict) else item


class Appended(NamedTuple):
    """What a change does to an append-only list, by indices into the list as it was sent.

    `new` are the items to append, `altered` the places where a stored item would be altered or
    removed (for a removed item its index in the stored list), `kept` the items that are equal to
    stored ones.
    """

    new: list[int]
    altered: list[Place]
    kept: frozenset[int]


def key(value: object) -> Hashable:
    """Return a hashable value that is equal for equal JSON values; unlike Python, 1 is not true."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "object", frozenset((name, key(each)) for name, each in value.items())
    if isinstance(value, list):
        return "array", tuple(map(key, value))
    kind = "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else "other"
    return kind, value


def same(one: object, other: object) -> bool:
    """Return whether two JSON values are equal."""
    return one is other or key(one) == key(other)


class Items:
    """The stored items of a list. Each can be taken once."""

    def __init__(self, items: Iterable[object], names: Sequence[str]) -> None:
        self._names = names
        self._free: list[bool] = []
        self._by_key: dict[Hashable, deque[int]] = {}
        #: Which earlier identity members the items have that have the named one.
        self._beside: dict[str, set[frozenset[str]]] = {name: set() for name in names}
        for item in items:
            self.add(item)

    def add(self, item: object) -> None:
        """Add an item behind the others."""
        index = len(self._free)
        self._free.append(True)
        self._put(key(item), index)
        earlier: frozenset[str] = frozenset()
        for name in self._named(item):
            self._beside[name].add(earlier)
            self._put((name, key(item[name]), earlier), index)  # type: ignore[index]  # an object
            earlier |= {name}

    def _put(self, found_by: Hashable, index: int) -> None:
        self._by_key.setdefault(found_by, deque()).append(index)

    def _named(self, item: object) -> list[str]:
        return [name for name in self._names if name in item] if isinstance(item, dict) else []

    def take(self, item: object) -> int | None:
        """Take the first item that is equal to `item` or has its identity; return its index."""
        return self._take([key(item), *self._identities(item)])

    def take_equal(self, item: object) -> int | None:
        """Take the first item that is equal to `item`; return its index."""
        return self._take([key(item)])

    def identical(self, item: object) -> int | None:
        """Return the index of the first item, taken or not, that has the identity of `item`."""
        found = [self._by_key[each][0] for each in self._identities(item) if each in self._by_key]
        return min(found, default=None)

    def use(self, index: int) -> bool:
        """Take the item at an index; return whether it was free."""
        was_free, self._free[index] = self._free[index], False
        return was_free

    @property
    def free(self) -> list[int]:
        """The indices of the items that are not taken."""
        return [index for index, is_free in enumerate(self._free) if is_free]

    def _take(self, keys: Iterable[Hashable]) -> int | None:
        heads = []
        for each in keys:
            found = self._by_key.get(each, deque())
            while found and not self._free[found[0]]:
                found.popleft()
            heads += [found[0]] if found else []
        first = min(heads, default=None)
        if first is not None:
            self.use(first)
        return first

    def _identities(self, item: object) -> Iterator[Hashable]:
        """Yield the keys of stored items that share no earlier identity member with `item`."""
        earlier: set[str] = set()
        for name in self._named(item):
            for beside in self._beside[name]:
                if not beside & earlier:
                    yield name, key(item[name]), beside  # type: ignore[index]  # an object
            earlier.add(name)


class _List:
    """A stored append-only list of objects, and the comparison with the items of a sent list."""

    def __init__(self, stored: list[Any], rule: Rule) -> None:
        self.stored = stored
        self.rule = rule
        self.known = list(map(rule.content, stored))
        self.items = Items(self.known, rule.names)
        self.new: list[int] = []
        self.altered: list[Place] = []
        self._equal: dict[frozenset[str], dict[Hashable, deque[int]]] = {}

    def compare(self, place: int, item: JSONValue, index: int, *, whole: bool) -> None:
        """Note where the item at `place` differs from the known one at `index`.

        A member that it leaves out is a difference only where the `whole` item counts.
        """
        said, known = self.rule.content(item), self.known[index]
        for name in dict.fromkeys((*known, *said)) if whole else said:
            if not same(said.get(name, _ABSENT), known.get(name, _ABSENT)):
                self.altered.append((place, name))

    def take_equal(self, said: JSONValue) -> int | None:
        """Take the first stored item of the content `said`, an identity only it has left aside."""
        left_out = frozenset(self.rule.names).difference(said if isinstance(said, dict) else ())
        if left_out not in self._equal:
            table: dict[Hashable, deque[int]] = {}
            for index, known in enumerate(self.known[: len(self.stored)]):
                part = {name: known[name] for name in known if name not in left_out}
                table.setdefault(key(part), deque()).append(index)
            self._equal[left_out] = table
        found = self._equal[left_out].get(key(said), deque())
        while found:
            if self.items.use(index := found.popleft()):
                return index
        return None

    def settle(self, place: int, item: JSONValue) -> None:
        """Classify an item that was written as a whole and matches no stored item by identity."""
        said = self.rule.completed(self.rule.content(item))
        index = self.items.identical(said)
        if index is not None:  # the identity of another new item
            self.compare(place, item, index, whole=False)
        elif self.take_equal(said) is None:
            self.new.append(place)
            self.known.append(said)
            self.items.add(said)


def appended(stored: list[Any], sent: list[Any], rule: Rule) -> Appended:
    """Return what a list that is sent as a whole does to the stored one: it only adds items.

    A sent item that is a stored one by identity must say nothing else than the stored one.
    """
    known = _List(stored, rule)
    unnamed = []
    for place, item in enumerate(sent):
        said = rule.content(item)
        index = known.items.identical(said)
        if index is None:
            unnamed.append(place)
        elif known.items.take_equal(said) is None:
            known.items.use(index)
            known.compare(place, item, index, whole=False)
    for place in unnamed:
        known.settle(place, sent[place])
    return Appended(known.new, known.altered, frozenset())


def edited(stored: list[Any], sent: list[Any], reached: Mapping[int, bool], rule: Rule) -> Appended:
    """Return what operations did to the items of a list: each stored one must still be there.

    `reached` are the indices of the items that operations reached, with whether one wrote the item
    as a whole; all other items are stored ones, as they were. Their order does not count, as in
    `appended`: the stored list keeps its own.
    """
    known = _List(stored, rule)
    whole = Items(stored, ())
    kept: dict[int, int] = {}
    for place in sorted(range(len(sent)), key=reached.__contains__):
        index = whole.take_equal(sent[place])
        if index is not None:
            kept[place] = index
            known.items.use(index)
    in_place: list[int] = []
    unnamed: list[int] = []
    for place, item in enumerate(sent):
        if place in kept:
            continue
        index = known.items.identical(rule.content(item))
        if index is not None:
            known.compare(place, item, index, whole=known.items.use(index))
        elif reached.get(place):
            unnamed.append(place)
        elif isinstance(item, dict):
            in_place.append(place)
    for place, index in zip(in_place, known.items.free, strict=False):
        known.items.use(index)
        known.compare(place, sent[place], index, whole=True)
    for place in unnamed:
        known.settle(place, sent[place])
    known.altered += [(index,) for index in known.items.free if index < len(stored)]
    return Appended(known.new, known.altered, frozenset(kept))


def is_kept(lists: Mapping[str, Appended], path: Path) -> bool:
    """Return whether a place is in a stored item that an append-only list keeps."""
    name = path[0] if path[1:] else None
    return name in lists and path[1] in lists[str(name)].kept


def sent_place(path: Path, lists: Mapping[str, Appended], stored: Mapping[str, Any]) -> Path:
    """Return the place in the sent list for a place in a new item of the ticket's list."""
    if len(path) > 1 and path[0] in lists:
        name, index = str(path[0]), path[1]
        first = len(listed(stored, name))
        if isinstance(index, int) and index >= first:
            return name, lists[name].new[index - first], *path[2:]
    return path


def listed(ticket: Mapping[str, Any], name: str) -> list[Any]:
    """Return the objects in the list that is the value of a member."""
    value = ticket.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
