"""What the writer and the reader of OpenAPI documents share: operations, methods and markers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

JSON: Final = "application/json"
#: Methods in the order in which their requests can follow one another.
METHODS: Final = ("post", "get", "put", "patch", "delete")
#: The method that carries a payload of a process, by the operation of the process.
CARRIED_BY: Final = {"add": "post", "change": "patch"}
#: Marks a header that every response has.
EVERY_ANSWER: Final = "x-every-answer"
#: Marks a header that every response of 400 or more has.
EVERY_REFUSAL: Final = "x-every-refusal"
#: Marks a parameter that every request may have.
EVERY_REQUEST: Final = "x-every-request"


class Operation(NamedTuple):
    """One operation of a document, with the parameters of its path."""

    path: str
    method: str
    node: Mapping[str, Any]
    parameters: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        """The name of its request: ``[GET] /thing/{id}``, with any path parameter as ``id``."""
        return f"[{self.method.upper()}] " + re.sub(r"\{[^}]*[iI]d\}", "{id}", self.path)

    @property
    def above(self) -> str:
        """The path of the collection in which resources of this kind are created."""
        return re.sub(r"/\{[^}]*\}$", "", self.path)

    def takes(self, place: str) -> list[Mapping[str, Any]]:
        """Return the parameters in a place: path, query or header."""
        return [each for each in self.parameters if each["in"] == place]
