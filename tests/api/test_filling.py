"""What the server fills into new and changed resources, as the profile says."""

from __future__ import annotations

from typing import Any, Final

import pytest

from server.api.filling import changed, created, with_items
from server.profile.model import Filling, Resource

NOW: Final = "2026-01-01T00:00:00.000Z"
ITEM: Final = Filling(create=(("at", "now"), ("id", "identifier")), names=("at", "id"))
ROOT: Final = Filling(
    create=(("made", "now"), ("kind", "default"), ("self", "url"), ("key", "identifier")),
    change=(("touched", "now"),),
    status_change=(("moved", "now"),),
    statuses={"done": (("done", "now"), ("kind", "default"))},
    defaults={"kind": "box"},
    below={"items": ITEM, "inner": Filling(below={"items": ITEM})},
)


def test_created() -> None:
    """The identifier comes first, then the URL, what was sent, and the rest."""
    made = created(ROOT, {"a": 1}, number="n", url="/n", now=NOW)
    assert [*made.items()] == [
        *(("key", "n"), ("self", "/n"), ("a", 1), ("made", NOW), ("kind", "box")),
    ]


def test_sent() -> None:
    """What was sent is not overwritten."""
    assert created(ROOT, {"made": "x", "kind": "y"}, number="n", url="/n", now=NOW) == (
        {"key": "n", "self": "/n", "made": "x", "kind": "y"}
    )


@pytest.mark.parametrize("value", [["a", "b"], "text", [1, None], [[{}]]])
def test_other_items(value: Any) -> None:
    """Items that are not objects are left as they are."""
    assert with_items(ROOT, {"items": value}, {}, NOW) == {"items": value}


def test_items() -> None:
    """New items get what they lack, at every level; stored ones do not, whatever they lack."""
    stored = {"text": "old"}
    sent = {"items": [stored, {"text": "new"}], "inner": {"items": [{"id": "i"}]}}
    made = with_items(ROOT, sent, {"items": [stored], "inner": None}, NOW)
    assert made["items"][0] == stored
    assert made["items"][1].keys() == {"id", "text", "at"}
    assert made["inner"] == {"items": [{"id": "i", "at": NOW}]}
    assert with_items(ROOT, made, made, NOW) == made


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"s": "a"}, {"s": "a", "x": 1}, {"s": "a", "x": 1, "touched": NOW}),
        ({"s": "a"}, {"s": "b"}, {"s": "b", "moved": NOW, "touched": NOW}),
        (
            {"s": "a", "kind": "y"},
            {"s": "done", "kind": "y"},
            {"s": "done", "kind": "box", "moved": NOW, "done": NOW, "touched": NOW},
        ),
        (
            {"s": "a", "done": "old"},
            {"s": "done", "done": "new", "kind": "z", "touched": "t"},
            {"s": "done", "done": "new", "kind": "z", "touched": "t", "moved": NOW},
        ),
    ],
)
def test_changed(before: dict[str, Any], after: dict[str, Any], expected: dict[str, Any]) -> None:
    """A change fills in what belongs to it, unless the sender has set it."""
    changed(ROOT, before, after, status="s", now=NOW)
    assert after == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("a", "x", "x"),
        ("photo", "x", None),
        ("one", {"text": "x", "b": 1}, {"b": 1}),
        ("one", [{"text": "x"}, "y"], [{}, "y"]),
        ("one", None, None),
    ],
)
def test_outside(name: str, value: Any, expected: Any) -> None:
    """Lists and events do not have the texts that are stored apart."""
    resource = Resource(
        root="R",
        identifier="id",
        url=None,
        moment=None,
        columns=(),
        order=None,
        apart={"photo": None, "one": "text"},
        filling=ROOT,
    )
    assert resource.outside(name, value) == expected
