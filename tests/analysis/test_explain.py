"""What is known about a field besides its codes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.support.order_spec import by_field, spec
from ttrules.analysis.explain import points_on
from ttrules.messages.catalogue import catalogue
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from pathlib import Path


def test_default() -> None:
    """The value that a new item gets for a member that it omits is among the points on a change."""
    matrix = replace(shipped().matrix, defaults={"Note": {"author": "operator"}})
    words = catalogue()
    (points,) = (
        points
        for title, points in points_on(matrix, "Note", "author", words).items()
        if title == words.text("changes")
    )
    expected = words.text("default", value="operator")
    assert [point.text for point in points] == [expected]


def test_other_values(tmp_path: Path) -> None:
    """A process that is selected by all other values of a text is listed with them."""
    rules = {"Some": "operation: add, value: x", "Rest": "operation: add, otherwise: true"}
    matrix = spec(by_field("card", **rules), *rules).load(tmp_path).matrix
    words = catalogue()
    points = points_on(matrix, "Order", "card", words)[words.text("selection")]
    others = words.text("others")
    assert [point.text for point in points] == [f"x (add): Some; {others} (add): Rest."]
