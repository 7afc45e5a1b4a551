"""The routing table: the paths of the documents, of the token endpoint and of the pages.

It decides first, and compares the request target as it was sent, without decoding. So a doubled
slash, a dot segment, an encoded slash or an encoded letter makes a different path, and the answer
is 404. Two variants are accepted: a path of a document may end in one slash, and may begin with the
prefix of a proxy. Only the values of path parameters are percent-decoded, once. The layers within
use the Match; Connexion and Flask see only the canonical path.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote_to_bytes

from server import documents
from server.messages.en import sentence
from server.problems import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from werkzeug.routing import Rule

    from server.config import Config
    from server.profile.model import Side
    from ttrules.message import Message

#: The key of the request's Match in a scope.
MATCH: Final = "ttr.match"
#: The page that shows the document of the operators.
_DOCUMENT: Final = "/openapi.json"
#: The operations that take a whole ticket.
_TAKE_TICKETS: Final = frozenset({"create", "change"})
#: The longest path, in bytes.
_LONGEST: Final = 1_024
_SLASHES: Final = re.compile("/{2,}")
_PARAMETER: Final = re.compile(r"\\\{(\w+)\\\}")
#: One segment (RFC 3986, section 3.3).
_SEGMENT: Final = r"(?P<\1>[A-Za-z0-9._~!$&'()*+,;=:@%-]+)"
_BROKEN: Final = re.compile("%(?![0-9A-Fa-f]{2})")
#: Characters that no path parameter may contain, because other programs interpret them.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f/\\]|^\.{1,2}$")


class Route(NamedTuple):
    """A path of the table.

    `operations` maps each method to its operationId, or to an empty text if the path is a page.
    `bound` is the size of the largest body. `is_api` is true below a document's base path.
    `media_types` maps each method that takes a body to its media types, separated by commas.
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
    """The result of routing: the decoded path, the route, the parameters and the operationId."""

    path: str
    route: Route
    parameters: Mapping[str, str]
    operation: str


class Routes:
    """The table; `prefix` is the path prefix that a proxy may not have removed."""

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
        """Return the match of a target (without its query) and a method.

        Raises ApiError: notFound, methodNotAllowed or uriTooLong.
        """
        if len(target) > _LONGEST:
            raise ApiError("uriTooLong", headers={"Connection": "close"})
        text = target.decode("latin-1")
        found = self._find(text)
        if found is None:
            raise ApiError("notFound", self._hint(text))
        path, route, parameters = found
        if method not in route.operations:
            headers = {"Allow": route.allow}
            if "PATCH" in route.media_types:
                headers["Accept-Patch"] = route.media_types["PATCH"]
            raise ApiError("methodNotAllowed", headers=headers)
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

    def _hint(self, path: str) -> Message | None:
        """Return a hint for a path that is right except for doubled slashes."""
        single = _SLASHES.sub("/", path)
        if single == path or self._find(single) is None:
            return None
        return sentence("one_slash", path=single)


def document_routes(side: Side, document: Mapping[str, Any], config: Config) -> Iterator[Route]:
    """Yield the routes of the paths of a side's document."""
    types = documents.media_types(document)
    does: dict[str, set[str]] = {}
    for each in side.operations:
        does.setdefault(each.path, set()).add(each.does)
    for template, operations in documents.operations(document).items():
        is_large = not _TAKE_TICKETS.isdisjoint(does[template])
        bound = config.max_body if is_large else config.max_small_body
        bound = config.max_checked_body if "check" in does[template] else bound
        yield Route(
            side.base + template, operations, bound, is_api=True, media_types=types[template]
        )


def page_routes(rules: Iterable[Rule], bases: Iterable[str], config: Config) -> Iterator[Route]:
    """Yield the routes of the pages, from Flask's rules; `bases` are those of the documents."""
    for rule in rules:
        methods = dict.fromkeys(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}), "")
        is_api = rule.rule.startswith(tuple(bases))
        yield Route(rule.rule, methods, config.max_small_body, is_api)


def _decoded(parameters: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return the decoded parameters; None if one is not UTF-8 or is unsafe."""
    if not any("%" in each or each in {".", ".."} for each in parameters.values()):
        return parameters
    if any(_BROKEN.search(each) for each in parameters.values()):
        return None
    try:
        texts = {name: unquote_to_bytes(each).decode() for name, each in parameters.items()}
    except UnicodeDecodeError:
        return None
    return None if any(_UNSAFE.search(each) for each in texts.values()) else texts
