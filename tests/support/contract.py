"""Answers held against the documents that the server gives its clients."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import jsonschema_rs

from server.documents import as_json_schema, served
from tests.support.profiles import OPERATOR, PROVIDER

if TYPE_CHECKING:
    import requests

    from server.profile.model import Profile

DOCUMENT: Final = served(OPERATOR, "")
BASE: Final = OPERATOR.base
BACKOFFICE: Final = served(PROVIDER, "")
BACKOFFICE_BASE: Final = PROVIDER.base
#: The document of each base path.
DOCUMENTS: Final[dict[str, dict[str, Any]]] = {BASE: DOCUMENT, BACKOFFICE_BASE: BACKOFFICE}
#: Whatever is not in the document is answered so.
ERROR: Final = {"$ref": "#/components/schemas/Error"}


def add_documents(profile: Profile) -> None:
    """Hold answers of another profile against its documents too, by their base paths."""
    for side in profile.sides:
        if side.base not in DOCUMENTS:
            DOCUMENTS[side.base] = served(side, "")


class Unlike(AssertionError):
    """An answer is not what the document says of it."""


def conforms(method: str, path: str, answer: requests.Response, base: str = BASE) -> None:
    """Hold an answer to a request of the API against the document of a base path. Raises Unlike.

    `path` begins behind the base path. Status, media type, body and headers are looked at; what
    the document does not have is to be refused in the one shape.
    """
    path = path.partition("?")[0]
    operation = operation_of(method, path, base)
    if operation is None:
        if answer.status_code < 400:
            raise Unlike(f"{method} {path} is not in the document: {answer.status_code}")
        _is_body(ERROR, method, answer, BASE)
        return
    responses = operation["responses"]
    told = responses.get(str(answer.status_code), responses.get("default"))
    if told is None:
        raise Unlike(f"{operation['operationId']} has no {answer.status_code}: {answer.text}")
    told = resolved(told, base)
    for name, header in told.get("headers", {}).items():
        _is_header(name, resolved(header, base), answer)
    if "content" not in told:
        if answer.content or "Content-Type" in answer.headers:
            raise Unlike(f"{operation['operationId']} {answer.status_code} has no body")
        return
    (media_type,) = told["content"]
    if answer.headers.get("Content-Type") != media_type:
        raise Unlike(f"{media_type} was expected, not {answer.headers.get('Content-Type')}")
    _is_body(told["content"][media_type]["schema"], method, answer, base)


def operation_of(method: str, path: str, base: str = BASE) -> dict[str, Any] | None:
    """Return what a document has for a request; HEAD is a GET without its body."""
    verb = "get" if method == "HEAD" else method.lower()
    for pattern, item in _paths(base):
        if pattern.fullmatch(path):
            found: dict[str, Any] | None = item.get(verb)
            return found
    return None


def resolved(node: dict[str, Any], base: str = BASE) -> dict[str, Any]:
    """Return a part of a document, or what it refers to."""
    if "$ref" in node:
        target: Any = DOCUMENTS[base]
        for part in node["$ref"].split("/")[1:]:
            target = target[part]
        return resolved(target, base)
    return node


@cache
def _paths(base: str) -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    """Return what matches each path, one last slash included, with what the document has there."""
    return [
        (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "/?"), item)
        for path, item in DOCUMENTS[base]["paths"].items()
    ]


def _is_header(name: str, told: dict[str, Any], answer: requests.Response) -> None:
    text = answer.headers.get(name)
    if text is None:
        if told.get("required"):
            raise Unlike(f"the answer {answer.status_code} lacks {name}")
        return
    value = int(text) if told["schema"]["type"] == "integer" else text
    if not jsonschema_rs.is_valid(told["schema"], value):
        raise Unlike(f"{name} is not what it should be: {text}")


def _is_body(schema: dict[str, Any], method: str, answer: requests.Response, base: str) -> None:
    if method == "HEAD":
        if answer.content:
            raise Unlike("HEAD has no body")
        return
    for error in _validator(json.dumps(schema), base).iter_errors(answer.json()):
        raise Unlike(f"{answer.status_code}: {error.message} at {error.instance_path}")


@cache
def _validator(schema: str, base: str) -> Any:
    """Return a validator of a schema of a document, which is given as text to be remembered."""
    shapes = {"components": {"schemas": DOCUMENTS[base]["components"]["schemas"]}}
    whole = as_json_schema({**json.loads(schema), **shapes})
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
