"""The lifecycle of a ticket: which status may follow which, and which party may change it.

The transitions are data (spec/lifecycle.yaml, compiled into the package). Nothing here knows a
clock, a database or a request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """Statuses and the transitions between them.

    `field` is the member with the status, `initial` the status of a new ticket. `moves` maps each
    status to those that may follow, with the parties that may make the transition (empty: all).
    `accepts` are the members that can be changed in a final status; None means all.
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
        """Return whether `after` may follow `before`. Keeping the status is always allowed."""
        return before == after or after in self.followers(before, by)

    def way(self, before: str, after: object, by: str | None = None) -> tuple[str, ...]:
        """Return the statuses of a shortest way to `after`; empty if there is none or no need.

        `before` is not included, `after` is the last. Transitions are those of the party `by`, or
        of any party.
        """
        ways: dict[str, tuple[str, ...]] = {before: ()}
        waiting = [before]
        for here in waiting:  # grows in the loop
            for each in self.followers(here, by):
                if each not in ways:
                    ways[each] = (*ways[here], each)
                    waiting.append(each)
        return ways.get(after, ()) if isinstance(after, str) else ()

    @property
    def final(self) -> tuple[str, ...]:
        """The statuses that no status follows."""
        return tuple(status for status, following in self.moves.items() if not following)

    def accepted(self, status: object) -> tuple[str, ...] | None:
        """Return the members that can be changed in `status`; None means all."""
        return self.accepts if status in self.final else None
