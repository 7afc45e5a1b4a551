"""The files for Postman: the collection of an API, its environment, and what gets a token.

All is made of the OpenAPI document and of the book, and the same two give the same bytes; the name
of the wholesaler is that of the document's contact. What the collection holds is the business of
folders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ttrules import scripting
from ttrules.collecting import Item, collection, identifier, item, saved
from ttrules.compile import to_bytes
from ttrules.folders import Folders
from ttrules.operations import JSON, Api
from ttrules.scripting import filled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttrules.book import Book

#: What a sandbox on one's own machine has; an environment is there to be changed.
_ROOT: Final = "http://127.0.0.1:8080"
_LISTENER: Final = "http://127.0.0.1:8090"
_CLIENT: Final = "operator-a"


def files_of(document: Mapping[str, Any], book: Book) -> dict[str, bytes]:
    """Return the files for Postman by name: collection, environment, and what gets a token.

    Raises KeyError where the document refers to what it does not have, and NoExample.
    """
    info = document["info"]
    api = Api(document, book)
    title = f"{info.get('x-collection', info['title'])} - {info['version']}"
    wholesaler = info.get("contact", {}).get("name", info["title"])
    token = _token() if api.token_path is not None else None
    parts = {
        f"{title}.postman_collection.json": Folders(api).collection(title, token),
        f"{wholesaler} TEST Environment.postman_environment.json": _environment(api, wholesaler),
    }
    if token is not None:
        name = f"{wholesaler} Authorization"
        parts[f"{name}.postman_collection.json"] = _authorization(name)
    return {_in_folder(name): to_bytes(each) for name, each in parts.items()}


def _in_folder(name: str) -> str:
    """Return the name of a file that leads nowhere else."""
    return "".join(each if each.isprintable() and each not in "/\\" else "-" for each in name)


def _environment(api: Api, wholesaler: str) -> Item:
    """Return the environment: addresses and credentials."""
    name = f"{wholesaler} TEST Environment"
    values = {
        "baseUrl": _ROOT + api.base,
        "tokenUrl": _ROOT + (api.token_path or ""),
        "clientId": _CLIENT,
        "clientSecret": "",
        "listenerUrl": _LISTENER,
        "signingSecret": "",
        "accessToken": "",
        "accessTokenExpires": "",
    }
    secret = {"clientSecret", "signingSecret", "accessToken"}
    return {
        "id": identifier(name),
        "name": name,
        "values": [
            {
                "key": key,
                "value": value,
                "type": "secret" if key in secret else "default",
                "enabled": True,
            }
            for key, value in values.items()
        ],
        "_postman_variable_scope": "environment",
    }


def _token(secret: str = "{{clientSecret}}") -> Item:  # noqa: S107 - the name of one
    """Return the request for an access token (RFC 6749, section 4.4)."""
    credentials = {"username": "{{clientId}}", "password": secret}
    form = [{"key": "grant_type", "value": "client_credentials"}]
    return {
        "method": "POST",
        "header": [{"key": "Accept", "value": JSON}],
        "auth": {
            "type": "basic",
            "basic": [{"key": k, "value": v, "type": "string"} for k, v in credentials.items()],
        },
        "body": {"mode": "urlencoded", "urlencoded": form},
        "url": {"raw": "{{tokenUrl}}", "host": ["{{tokenUrl}}"]},
    }


def _authorization(name: str) -> Item:
    """Return the collection that gets an access token."""
    right, wrong = _token(), _token("not the secret")
    granted = {"access_token": "...", "token_type": "Bearer", "expires_in": 3600}
    unknown = {"error": "invalid_client"}
    challenge = {"name": "WWW-Authenticate", "pattern": "^Basic "}
    items = [
        item(
            "[POST] access token",
            "The client-credentials grant (RFC 6749, section 4.4). The token is kept in the"
            " environment, where the other collection finds it.",
            right,
            tests=filled(scripting.STATUS, title="200: granted", status=200)
            + filled(scripting.GRANTED),
            saved=[saved("200", right, 200, {"Cache-Control": "no-store"}, granted)],
        ),
        item(
            "[POST] access token, with a wrong secret",
            "It is refused (RFC 6749, section 5.2).",
            wrong,
            tests=filled(scripting.STATUS, title="401: not known", status=401)
            + filled(scripting.HEADER, title="header WWW-Authenticate", **challenge)
            + filled(scripting.MEMBER, title="error", name="error", value="invalid_client"),
            saved=[saved("401", wrong, 401, {"WWW-Authenticate": "Basic"}, unknown)],
        ),
    ]
    told = "Gets an access token with the operator's name and secret of the environment."
    return collection(name, told, items)
