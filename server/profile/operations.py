"""The operations of a document: what each one does (`x-does`), and where.

OPERATIONS is the table of what an operation can do. An operationId is a free name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from server.profile.model import Operation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.profile.files import Node
    from server.profile.model import Role, Side

METHODS: Final = ("get", "post", "put", "patch", "delete")
#: The methods that OpenAPI knows and the server does not serve.
_OTHERS: Final = ("head", "options", "trace")
_PARAMETER: Final = re.compile(r"\{([^{}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BASE: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_JSON: Final = "application/json"
#: Media types of a change: a merge patch, or a JSON Patch.
_PATCHES: Final = frozenset({_JSON, "application/merge-patch+json", "application/json-patch+json"})


class Form(NamedTuple):
    """How an operation is called: its method, and whether its path ends in an id (None: both).

    `roles` are the sides that may have it, `most` is how often a document may have it.
    """

    method: str
    has_id: bool | None
    roles: frozenset[str] = frozenset({"operator", "provider"})
    most: int = 1


_OPERATOR: Final = frozenset({"operator"})
_PROVIDER: Final = frozenset({"provider"})
#: Everything that an operation can do.
OPERATIONS: Final[dict[str, Form]] = {
    "list": Form("get", has_id=False),
    "create": Form("post", has_id=False, roles=_OPERATOR),
    "read": Form("get", has_id=True),
    "change": Form("patch", has_id=True),
    "delete": Form("delete", has_id=True),
    "subscribe": Form("post", has_id=False, roles=_OPERATOR),
    "readSubscription": Form("get", has_id=None, most=2),
    "listSubscriptions": Form("get", has_id=False, roles=_PROVIDER),
    "unsubscribe": Form("delete", has_id=None, most=2),
    "listEvents": Form("get", has_id=False),
    "readEvent": Form("get", has_id=True),
    "redeliverEvent": Form("post", has_id=True),
    "purgeEvents": Form("delete", has_id=False, roles=_PROVIDER),
    "check": Form("post", has_id=False, roles=_OPERATOR),
}


def base_of(document: Node) -> str:
    """Return the path that the paths of a document begin with. Problems are recorded."""
    server = document.at("servers", 0, "url")
    path: str = urlsplit(server.value).path.rstrip("/")
    if _BASE.fullmatch(path) is None:
        server.wrong("write the path of the API, such as /orders/v1, without variables")
    return path


def places(document: Node) -> Iterator[tuple[str, str, Node]]:
    """Yield path, method and node of each operation. Problems are recorded."""
    for path, item in document.at("paths").items():
        for method in (*METHODS, *_OTHERS):
            if method in item:
                if method in _OTHERS:
                    item.at(method).wrong(f"the server has no operations of {method}", key=True)
                else:
                    yield path, method, item.at(method)


def operations_of(document: Node) -> tuple[Operation, ...]:
    """Return the operations of a document. Problems are recorded."""
    return tuple(
        found
        for path, method, node in places(document)
        if (found := _operation(path, method, node)) is not None
    )


def _operation(path: str, method: str, node: Node) -> Operation | None:
    if "x-does" not in node:
        known = ", ".join(name for name, form in OPERATIONS.items() if form.method == method)
        hint = f": one of {known}" if known else f", and {method} has none"
        node.wrong(f"write what the operation does as x-does{hint}", key=True)
        return None
    if not node.fits("does", "x-does"):
        return None
    does, names = node.value["x-does"], _PARAMETER.findall(path)
    if "operationId" not in node:
        node.wrong("the key 'operationId' is missing", key=True)
        return None
    form, at = OPERATIONS[does], node.at("x-does")
    if form.method != method:
        at.wrong(f"{does} is {form.method}, not {method}")
    if len(names) > 1 or not all(_NAME.fullmatch(name) for name in names):
        at.wrong("a path has one parameter at most, the id, named by letters, digits and _")
    if form.has_id is not None and form.has_id is not bool(names):
        wanted = "an id as its parameter, such as {id}" if form.has_id else "no parameter"
        at.wrong(f"the path of {does} has {wanted}")
    return Operation(
        does=does,
        id=node.value["operationId"],
        method=method.upper(),
        path=path,
        parameter=names[-1] if names else "",
    )


def check_operations(documents: Mapping[Role, Node], sides: Mapping[Role, Side]) -> None:
    """Record what is wrong with the operations of all sides together."""
    ids: set[str] = set()
    for role, document in documents.items():
        seen: list[tuple[str, bool]] = []
        for path, _, node in places(document):
            does = node.get("x-does")
            if does not in OPERATIONS or "operationId" not in node:
                continue
            at = node.at("x-does")
            if role not in OPERATIONS[does].roles:
                at.wrong(f"the side {role!r} cannot have {does}")
            if (does, "{" in path) in seen:
                at.wrong(f"another operation does {does}")
            seen.append((does, "{" in path))
            if node.value["operationId"] in ids:
                node.at("operationId").wrong("another operation has this operationId")
            ids.add(node.value["operationId"])
            _check_body(node, does, sides[role])
            _check_access(node, does, document)
    bases = [side.base for side in sides.values()]
    if len(set(bases)) < len(bases):
        documents["provider"].at("servers", 0, "url").wrong("both sides have this path")


def _check_body(node: Node, does: str, side: Side) -> None:
    """Record a missing body, media types that the server does not read, and missing processes."""
    if does not in {"create", "change", "subscribe", "check"}:
        return
    content = node.below("requestBody", "content")
    if content is None:
        node.at("x-does").wrong(f"{does} needs a requestBody")
        return
    known = _PATCHES if does == "change" else {_JSON}
    for media_type in content.value:
        if media_type not in known:
            message = f"the server does not read this media type for {does}; remove it"
            content.at(media_type).wrong(message, key=True)
    operation = {"create": "add", "change": "change"}.get(does)
    if operation and all(each.operation != operation for each in side.book.matrix.processes):
        message = f"no process of the interpretation has `operation: {operation}`, as {does} needs"
        node.at("x-does").wrong(message)


def _check_access(node: Node, does: str, document: Node) -> None:
    """Record an operation that anyone may call, and a scheme that the server does not have."""
    holder = node if "security" in node else document
    given = holder.get("security")
    if not given or not all(given):
        if does != "check":
            at = node.at("x-does")
            at.wrong("write `security` for it or for the document: it needs credentials")
        return
    for index, each in enumerate(given):
        for name in each:
            scheme = document.below("components", "securitySchemes", name)
            kind = None if scheme is None else (scheme.get("type"), scheme.get("scheme"))
            if kind is None or (kind[0] != "oauth2" and kind != ("http", "basic")):
                message = "the server has http basic and oauth2 only"
                holder.at("security", index, name).wrong(message, key=True)
