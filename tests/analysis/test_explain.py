"""What is known about a field besides its codes."""

from __future__ import annotations

from dataclasses import replace

from ttrules.analysis.explain import points_on
from ttrules.messages.catalogue import catalogue
from ttrules.rulebook import shipped


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
