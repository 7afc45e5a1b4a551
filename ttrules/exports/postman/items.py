"""The format of a Postman collection (v2.1): requests, folders, scripts and saved responses.

Values are plain JSON. In Postman a name in double braces is a variable everywhere, so a body is
written with the intended variables (`variable`) and no others. Identifiers are derived from names.
"""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from ttrules.exports.openapi.operations import JSON

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ttrules.exports.openapi.operations import Operation
    from ttrules.json_values import JSONValue

SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
#: The marks around the name of a variable until a body is written; they occur in no other text.
_OPEN, _SHUT = "\ue0ff", "\ue0fe"

Item: TypeAlias = dict[str, Any]


def variable(name: str) -> str:
    """Return the marked name of a variable for a body."""
    return f"{_OPEN}{name}{_SHUT}"


def text(value: object, indent: int | None = 2) -> str:
    """Return a body as JSON with the intended variables and no others."""
    written = json.dumps(value, ensure_ascii=False, indent=indent).replace("{{", r"\u007b\u007b")
    return written.replace(_OPEN, "{{").replace(_SHUT, "}}")


def raw(value: object) -> Item:
    """Return the body of a request."""
    return {"mode": "raw", "raw": text(value), "options": {"raw": {"language": "json"}}}


def script(listen: str, lines: Iterable[str]) -> Item:
    """Return a script that runs before a request (`prerequest`) or after it (`test`)."""
    return {"listen": listen, "script": {"type": "text/javascript", "exec": [*lines]}}


def item(  # noqa: PLR0913 - what a request has
    name: str,
    description: str,
    request: Item,
    *,
    before: Sequence[str] = (),
    tests: Sequence[str],
    saved: Sequence[Item] = (),
) -> Item:
    """Return a request with its scripts and its saved responses."""
    told = {"description": description} if description else {}
    return {
        "name": name,
        "id": "",
        "event": [*([script("prerequest", before)] if before else []), script("test", tests)],
        "request": {**request, **told},
        "response": [*saved],
    }


def folder(
    name: str, description: str, items: Iterable[Item], *, before: Sequence[str] = ()
) -> Item:
    """Return a folder, with what runs before each of its requests."""
    events = {"event": [script("prerequest", before)]} if before else {}
    return {"name": name, "id": "", "description": description, "item": [*items], **events}


def saved(
    name: str,
    request: Item,
    status: int,
    headers: Mapping[str, str],
    body: JSONValue,
) -> Item:
    """Return a saved response to a request; `body` is None if it has none."""
    told = {**({} if body is None else {"Content-Type": JSON}), **headers}
    return {
        "id": "",
        "name": name,
        "originalRequest": request,
        "status": HTTPStatus(status).phrase,
        "code": status,
        "_postman_previewlanguage": "text" if body is None else "json",
        "header": [{"key": key, "value": value} for key, value in told.items()],
        "cookie": [],
        "body": "" if body is None else text(body),
    }


def request(  # noqa: PLR0913 - what a request is made of
    operation: Operation,
    body: JSONValue = None,
    *,
    about: str = "",
    media_type: str = JSON,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    is_open: bool = False,
) -> Item:
    """Return a request of an operation, with the optional parameters of the document disabled.

    `about` is the value of the path's last parameter; `headers` and `query` are sent. A request
    that `is_open` has no access token.
    """
    given = {"Accept": JSON, **(headers or {})}
    if body is not None:
        given = {"Content-Type": media_type, **given}
    told: list[Item] = [{"key": name, "value": value} for name, value in given.items()]
    told += [
        {
            "key": each["name"],
            "value": str(each.get("example", "")),
            "description": _plain(each),
            "disabled": True,
        }
        for each in operation.takes("header")
        if each["name"] not in given
    ]
    made: Item = {"method": operation.method.upper(), "header": told}
    if is_open:
        made["auth"] = {"type": "noauth"}
    if body is not None:
        made["body"] = raw(body)
    return {**made, "url": _url(operation, about, query or {})}


def _url(operation: Operation, about: str, sent: Mapping[str, str]) -> Item:
    parts = re.sub(r"\{([^}]*)\}", r":\1", operation.path).strip("/").split("/")
    known = {each["name"]: each for each in operation.takes("query")}
    query = [
        {
            "key": name,
            "value": quote(sent.get(name, str(known.get(name, {}).get("example", ""))), safe=",-"),
            **({"description": _plain(known[name])} if name in known else {}),
            **({} if name in sent else {"disabled": True}),
        }
        for name in {**known, **sent}
    ]
    shown = "&".join(f"{each['key']}={each['value']}" for each in query if "disabled" not in each)
    in_path = [
        {"key": each["name"], "value": about, "description": _plain(each)}
        for each in operation.takes("path")
    ]
    return {
        "raw": "/".join(["{{baseUrl}}", *parts]) + (f"?{shown}" if shown else ""),
        "host": ["{{baseUrl}}"],
        "path": parts,
        **({"query": query} if query else {}),
        **({"variable": in_path} if in_path else {}),
    }


def _plain(parameter: Mapping[str, Any]) -> str:
    return " ".join(parameter.get("description", "").split())


def collection(name: str, description: str, items: Iterable[Item], **more: JSONValue) -> Item:
    """Return a whole collection; the identifier of each part is derived from its names."""
    info = {"_postman_id": identifier(name), "name": name, "description": description}
    made = {"info": {**info, "schema": SCHEMA}, "item": [*items], **more}
    _identify(made["item"], name, {})
    return made


def _identify(parts: Iterable[Item], above: str, seen: dict[str, int]) -> None:
    """Add identifiers, derived from names, to requests, folders and saved responses."""
    for part in parts:
        name = f"{above}/{part['name']}"
        seen[name] = seen.get(name, 0) + 1
        part["id"] = identifier(f"{name} {seen[name]}")
        _identify([*part.get("item", ()), *part.get("response", ())], name, seen)


def identifier(name: str) -> str:
    """Return the identifier derived from a name."""
    return str(uuid5(NAMESPACE_URL, name))
