"""Changes by several clients and processes, in small, and what their checker counts as wrong.

The whole run is `make soak`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.soak.consistency import Change, Figures, History, Plan, Read, State, judge, run

SMALL = Plan(100, 24, 4, 2, 10, 3, tickets=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [pytest.param("two processes", marks=pytest.mark.postgres), "sqlite"]
)
def test_nothing_lost(kind: str) -> None:
    """8 clients change disjoint members of the same tickets, add notes and attachments, close
    tickets, set and reset callbacks and create tickets by the same keys, through two processes that
    share a PostgreSQL, or one with SQLite: no change is lost or repeated, each history is linear,
    and nothing fails.
    """
    figures = run(kind, SMALL)
    assert figures.changes >= SMALL.changes
    assert figures.notes == SMALL.notes + SMALL.closings
    figures.hold()


def state(status: str = "submitted", notes: str = "", **members: str) -> State:
    """Return a state; each letter is a note."""
    return State(members, status, tuple(notes), ())


def change(version: int, part: str, value: str, after: State, **more: Any) -> Change:
    """Return a change that was answered with 200, at the moment of its version."""
    made = Change("t", part, value, version, version + 0.5, 200, version=version, state=after)
    return made._replace(**more)


def judged(
    *changes: Change, final: State, version: int = 3, reads: tuple[Read, ...] = ()
) -> Figures:
    """Return the figures of a history of one ticket."""
    return judge(History([*changes], [*reads], {"t": (version, final)}))


NAMED = change(2, "name", "x", state(name="x"))
NOTED = change(2, "note", "a", state(notes="a"))


def test_right() -> None:
    """A history without a fault has no figure but its counts."""
    both = state(name="x", notes="a")
    figures = judged(
        NAMED,
        change(3, "note", "a", both, matched=2),
        change(0, "name", "z", both, code=412)._replace(state=None),
        final=both,
        reads=(Read("t", 2.6, 2.9, 2, state(name="x")), Read("t", 2.7, 9, 3, both)),
    )
    assert figures == Figures(1, 1, 1, *[0] * 8)
    figures.hold()


WRONG = {
    "a member that the next version does not have": (
        judged(NAMED, change(3, "note", "a", state(notes="a")), final=state(notes="a")),
        {"lost": 1},
    ),
    "a member that the last version does not have": (
        judged(NAMED, version=2, final=state(name="y")),
        {"lost": 1, "torn": 1},
    ),
    "a note that is gone later": (
        judged(
            NOTED,
            change(3, "name", "x", state(name="x", notes="a")),
            change(4, "name", "y", state(name="y")),
            version=4,
            final=state(name="y"),
        ),
        {"lost": 1},
    ),
    "a note that is there twice": (
        judged(NOTED, version=2, final=state(notes="aa")),
        {"duplicated": 1, "torn": 1},
    ),
    "a version that two changes were given": (
        judged(
            NAMED,
            NOTED._replace(state=state(name="x", notes="a")),
            version=2,
            final=state(name="x", notes="a"),
        ),
        {"versions": 1, "torn": 0},
    ),
    "a version that nobody was given": (judged(NAMED, final=state(name="x")), {"versions": 1}),
    "a change that began after the answer of a newer one": (
        judged(
            NAMED._replace(begun=9, ended=10),
            change(3, "name", "y", state(name="y")),
            final=state(name="y"),
        ),
        {"disordered": 1},
    ),
    "a read that is older than an answer before it": (
        judged(NAMED, version=2, final=state(name="x"), reads=(Read("t", 8, 9, 1, state()),)),
        {"disordered": 1},
    ),
    "a read that is no version's": (
        judged(NAMED, version=2, final=state(name="x"), reads=(Read("t", 8, 9, 2, state()),)),
        {"torn": 1},
    ),
    "If-Match of an older version": (
        judged(NAMED._replace(matched=0), version=2, final=state(name="x")),
        {"unmatched": 1},
    ),
    "a ticket that was closed": (
        judged(
            change(2, "status", "closed", state("closed")),
            change(3, "note", "a", state("resolved", notes="a")),
            final=state("resolved", notes="a"),
        ),
        {"lost": 1, "reopened": 1},
    ),
    "an answer that failed": (
        judged(change(0, "name", "x", state(), code=500), version=1, final=state()),
        {"failed": 1},
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong(name: str) -> None:
    """Each fault is counted."""
    figures, expected = WRONG[name]
    found = {
        key: value
        for key, value in figures._asdict().items()
        if value and key not in Figures._fields[:3]
    }
    assert found == {key: value for key, value in expected.items() if value}
    with pytest.raises(AssertionError):
        figures.hold()
