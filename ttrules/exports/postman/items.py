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

from ttrules.exports.openapi.operations import JSON, is_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ttrules.exports.openapi.operations import Operation
    from ttrules.json_values import JSONValue

SCHEMA: Final = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
#: The marks around the name of a variable until a body is written; they occur in no other text.
_OPEN, _SHUT = "\ue0ff", "\ue0fe"

_PHRASES: Final = {each.value: each.phrase for each in HTTPStatus}
#: The modes of Postman for forms, by media type.
_FORMS: Final = {
    "application/x-www-form-urlencoded": "urlencoded",
    "multipart/form-data": "formdata",
}

Item: TypeAlias = dict[str, Any]


def variable(name: str) -> str:
    """Return the marked name of a variable for a body."""
    return f"{_OPEN}{name}{_SHUT}"


def text(value: object, indent: int | None = 2) -> str:
    """Return a body as JSON with the intended variables and no others."""
    written = json.dumps(value, ensure_ascii=False, indent=indent).replace("{{", r"\u007b\u007b")
    return _with_variables(written)


def _with_variables(written: str) -> str:
    return written.replace(_OPEN, "{{").replace(_SHUT, "}}")


def raw(value: object) -> Item:
    """Return the JSON body of a request."""
    return {"mode": "raw", "raw": text(value), "options": {"raw": {"language": "json"}}}


def _body(value: object, media_type: str) -> Item:
    """Return the body of a request in a media type. A form has a field for each member."""
    if is_json(media_type):
        return raw(value)
    mode = _FORMS.get(media_type.partition(";")[0].strip().lower())
    if mode is not None and isinstance(value, dict):
        fields = [{"key": name, "value": shown(each)} for name, each in value.items()]
        return {"mode": mode, mode: fields}
    return {"mode": "raw", "raw": _with_variables(value)} if isinstance(value, str) else raw(value)


def shown(value: object) -> str:
    """Return a value as the text of a parameter: lists are separated by commas."""
    if isinstance(value, list):
        return ",".join(map(shown, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def script(listen: str, lines: Iterable[str]) -> Item:
    """Return a script that runs before a request (`prerequest`) or after it (`test`)."""
    return {"listen": listen, "script": {"type": "text/javascript", "exec": [*lines]}}


def item(
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
        "status": _PHRASES.get(status, ""),
        "code": status,
        "_postman_previewlanguage": "text" if body is None else "json",
        "header": [{"key": key, "value": value} for key, value in told.items()],
        "cookie": [],
        "body": "" if body is None else text(body),
    }


def request(
    operation: Operation,
    body: JSONValue = None,
    *,
    about: str = "",
    media_type: str = JSON,
    accept: str = JSON,
    server: str | None = None,
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    is_open: bool = False,
) -> Item:
    """Return a request of an operation, with the optional parameters of the document disabled.

    `about` is the value of the path's last parameter; `headers` and `query` are sent. `server` is
    the address of the operation's own server. A request that `is_open` has no credentials.
    """
    given = {"Accept": accept, **(headers or {})}
    if body is not None:
        given = {"Content-Type": media_type, **given}
    cookies = [
        f"{each['name']}={shown(each['example'])}"
        for each in operation.takes("cookie")
        if each.get("required") is True
    ]
    given |= {"Cookie": "; ".join(cookies)} if cookies else {}
    told: list[Item] = [{"key": name, "value": value} for name, value in given.items()]
    told += [
        {
            "key": each["name"],
            "value": shown(each.get("example", "")),
            "description": _plain(each),
            **({} if each.get("required") is True else {"disabled": True}),
        }
        for each in operation.takes("header")
        if each["name"].lower() not in {name.lower() for name in given}
    ]
    made: Item = {"method": operation.method.upper(), "header": told}
    if is_open:
        made["auth"] = {"type": "noauth"}
    if body is not None:
        made["body"] = _body(body, media_type)
    return {**made, "url": _url(operation, about, query or {}, server or "{{baseUrl}}")}


def _url(operation: Operation, about: str, sent: Mapping[str, str], host: str) -> Item:
    in_path = {each["name"]: each for each in operation.takes("path")}
    *others, last = ["", *(name for name, _ in operation.collections())]
    values = {**{name: f"{{{{{name}}}}}" for name in others}, last: about}
    path = re.sub(r"(?<=/)\{([^}/]*)\}(?=/|$)", r":\1", operation.path).strip("/")
    parts = re.sub(r"\{([^}]*)\}", r"{{\1}}", path).split("/")
    known = {each["name"]: each for each in operation.takes("query")}
    needed = {name for name, each in known.items() if each.get("required") is True}
    query = [
        {
            "key": name,
            "value": quote(
                sent.get(name, shown(known.get(name, {}).get("example", ""))), safe=",-"
            ),
            **({"description": _plain(known[name])} if name in known else {}),
            **({} if name in {*sent, *needed} else {"disabled": True}),
        }
        for name in {**known, **sent}
    ]
    enabled = "&".join(f"{each['key']}={each['value']}" for each in query if "disabled" not in each)
    variables = [
        {"key": name, "value": value, "description": _plain(in_path.get(name, {}))}
        for name, value in values.items()
        if name
    ]
    return {
        "raw": "/".join([host, *parts]) + (f"?{enabled}" if enabled else ""),
        "host": [host],
        "path": parts,
        **({"query": query} if query else {}),
        **({"variable": variables} if variables else {}),
    }


def _plain(parameter: Mapping[str, Any]) -> str:
    return " ".join(str(parameter.get("description", "")).split())


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
