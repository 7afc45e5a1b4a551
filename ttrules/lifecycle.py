"""The lifecycle of a ticket: which status may follow which, and who may move it.

The moves themselves are data (spec/lifecycle.yaml, compiled into the package); here is the engine
that reads them. No clock, no store, no notion of a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Statuses and the moves between them.

    `field` is the member that holds the status, `initial` the status of a new ticket, `moves` the
    statuses that may follow each one with the parties that may make the move (empty: every party).
    `accepts` are the members that may still change in a final status; None means all of them.
    """

    field: str
    initial: str
    moves: Mapping[str, Mapping[str, tuple[str, ...]]]
    accepts: tuple[str, ...] | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Lifecycle:
        """Read the compiled form: ``moves`` is a list of ``{to, by?}`` per status."""
        return cls(
            field=data["field"],
            initial=data["initial"],
            moves={
                status: {move["to"]: tuple(move.get("by", ())) for move in following}
                for status, following in data["moves"].items()
            },
            accepts=tuple(data["final"]["accepts"]) if "final" in data else None,
        )

    def followers(self, status: object, by: str | None = None) -> tuple[str, ...]:
        """Return the statuses that may follow `status`, for the party `by` or for any."""
        following = self.moves.get(status, {}) if isinstance(status, str) else {}
        return tuple(
            to for to, parties in following.items() if by is None or not parties or by in parties
        )

    def allows(self, before: object, after: object, by: str | None = None) -> bool:
        """Say whether a ticket may go from status `before` to `after`; staying is no move."""
        return before == after or after in self.followers(before, by)

    def way(self, before: str, after: object, by: str | None = None) -> tuple[str, ...]:
        """Return the statuses of a shortest way to `after`; none where there is no way, or no need.

        `before` is left out, `after` is the last. Moves are those of the party `by`, or of any.
        """
        ways: dict[str, tuple[str, ...]] = {before: ()}
        waiting = [before]
        for here in waiting:  # which grows meanwhile
            for each in self.followers(here, by):
                if each not in ways:
                    ways[each] = (*ways[here], each)
                    waiting.append(each)
        return ways.get(after, ()) if isinstance(after, str) else ()

    @property
    def final(self) -> tuple[str, ...]:
        """The statuses that nothing follows."""
        return tuple(status for status, following in self.moves.items() if not following)

    def accepted(self, status: object) -> tuple[str, ...] | None:
        """Return the members that a ticket in `status` lets change; None means all of them."""
        return self.accepts if status in self.final else None
