"""New tickets that tests send, with the members that they change."""

from __future__ import annotations

from typing import Any

from ttrules.examples.generate import example
from ttrules.rulebook import shipped

#: Members that tests change or remove.
_CHANGED = ("origin", "name", "description", "externalId")


def complaint() -> dict[str, Any]:
    """Return a valid new Complaint with few members.

    The members that tests change are there even if the matrix does not require them.
    """
    full = example(shipped(), "complaint-add", "full")
    party = {"@referredType": "Organization", "id": "OP-1", "role": "Operator"}
    return {
        "relatedParty": [party],
        **{name: full[name] for name in _CHANGED},
        **example(shipped(), "complaint-add", "minimal"),
    }
