"""The shipped profile, and other ones that tests serve."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from server.profile.reader import shipped_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.profile.model import Side
    from ttrules import Rulebook

PROFILES: Final = Path(__file__).parents[1] / "profiles"
SHIPPED: Final = shipped_profile()
OPERATOR: Final[Side] = SHIPPED.operator
assert SHIPPED.provider is not None
PROVIDER: Final[Side] = SHIPPED.provider


def load() -> dict[str, Any]:
    """Return a copy of the operators' document."""
    return deepcopy(dict(OPERATOR.document))


def load_backoffice() -> dict[str, Any]:
    """Return a copy of the provider's document."""
    return deepcopy(dict(PROVIDER.document))


def base_path(document: Mapping[str, Any]) -> str:
    """Return the base path of a document."""
    path: str = document["servers"][0]["url"]
    return path


def provider_book() -> Rulebook:
    """Return the rules for changes by the provider."""
    return PROVIDER.book
