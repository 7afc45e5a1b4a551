"""The one routing table: the paths of the documents and the pages, and nothing else.

A request target is compared as it was sent, before anything decodes it. So a doubled slash, a dot
segment, an encoded slash or an encoded letter is a different path, and the answer is 404. Two
spellings are accepted: a path of a document may end in one slash, and the prefix of a proxy may
still be there. Only the value of a path parameter is percent-decoded, once. All layers behind use
what was found here; none of them reads the target again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from server.errors import Refused
from server.sentences import Told

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Where in a scope the Match of the request is.
MATCH: Final = "ttr.match"
#: The page that shows the document of the operators.
_DOCUMENT: Final = "/openapi.json"
#: The longest path, in bytes.
_LONGEST: Final = 1_024
_SLASHES: Final = re.compile("/{2,}")
_PARAMETER: Final = re.compile(r"\\\{(\w+)\\\}")
#: One segment as RFC 3986 spells it (section 3.3).
_SEGMENT: Final = r"(?P<\1>[A-Za-z0-9._~!$&'()*+,;=:@%-]+)"
_BROKEN: Final = re.compile("%(?![0-9A-Fa-f]{2})")
#: Characters that no path parameter contains: others would read them as more than text.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f/\\]|^\.{1,2}$")


class Route(NamedTuple):
    """A path of the table.

    `operations` has the operationId of each method, or an empty text where the path is a page.
    `bound` is the largest body. `is_api` says whether the path is below a document's base path.
    `media_types` has the media types of the bodies of each method that takes one.
    """

    template: str
    operations: Mapping[str, str]
    bound: int
    is_api: bool = False
    media_types: Mapping[str, str] = {}

    @property
    def allow(self) -> str:
        """The methods, as the Allow header lists them."""
        return ", ".join([*self.operations, *(["HEAD"] if "GET" in self.operations else [])])


class Match(NamedTuple):
    """What a request target was found to be: the path, decoded, its route and its parameters."""

    path: str
    route: Route
    parameters: Mapping[str, str]
    operation: str


class Routes:
    """The table. `prefix` is the path that a proxy may have left on a target."""

    def __init__(self, routes: Iterable[Route], prefix: str = "") -> None:
        self._prefix = prefix
        self._exact: dict[str, Route] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        for route in routes:
            pattern, count = _PARAMETER.subn(_SEGMENT, re.escape(route.template))
            if count:
                self._patterns.append((re.compile(pattern), route))
            else:
                self._exact[route.template] = route

    def match(self, target: bytes, method: str) -> Match:
        """Return what a target (without its query) is, for a method.

        Raises Refused: notFound, methodNotAllowed or uriTooLong.
        """
        if len(target) > _LONGEST:
            raise Refused("uriTooLong", headers={"Connection": "close"})
        text = target.decode("latin-1")
        found = self._find(text)
        if found is None:
            raise Refused("notFound", self._hint(text))
        path, route, parameters = found
        if method not in route.operations:
            headers = {"Allow": route.allow}
            if "PATCH" in route.media_types:
                headers["Accept-Patch"] = route.media_types["PATCH"]
            raise Refused("methodNotAllowed", headers=headers)
        return Match(path, route, parameters, route.operations[method])

    def is_shared(self, target: bytes) -> bool:
        """Return whether pages of other origins may use a path: those of the API and of tokens."""
        found = self._find(target.decode("latin-1"))
        if found is None:
            return False
        route = found[1]
        return route.is_api or route.template == _DOCUMENT or any(route.operations.values())

    def _find(self, path: str) -> tuple[str, Route, Mapping[str, str]] | None:
        if self._prefix and path.startswith(f"{self._prefix}/"):
            path = path[len(self._prefix) :]
        for each in (path, path[:-1]) if path.endswith("/") else (path,):
            route = self._exact.get(each)
            if route is not None and (each is path or route.is_api):
                return each, route, {}
            for pattern, route in self._patterns:
                if (found := pattern.fullmatch(each)) is not None:
                    parameters = _decoded(found.groupdict())
                    if parameters is None:
                        return None
                    return route.template.format_map(parameters), route, parameters
        return None

    def _hint(self, path: str) -> Told | None:
        """Return what to say about a path that is right but for doubled slashes."""
        single = _SLASHES.sub("/", path)
        if single == path or self._find(single) is None:
            return None
        return Told("one_slash", path=single)


def _decoded(parameters: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return parameters as text, None where one is not text or is unsafe."""
    if not any("%" in each or each in {".", ".."} for each in parameters.values()):
        return parameters
    if any(_BROKEN.search(each) for each in parameters.values()):
        return None
    try:
        texts = {name: unquote_to_bytes(each).decode() for name, each in parameters.items()}
    except UnicodeDecodeError:
        return None
    return None if any(_UNSAFE.search(each) for each in texts.values()) else texts
