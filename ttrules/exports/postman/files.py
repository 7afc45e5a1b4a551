"""The files for Postman: the collection, its environment, and a collection that gets a token.

They are generated from the OpenAPI document and the rulebook; the same input gives the same bytes.
The wholesaler's name is the contact of the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ttrules.exports.openapi.operations import JSON
from ttrules.exports.openapi.reader import CREDENTIALS, Api
from ttrules.exports.postman import scripts
from ttrules.exports.postman.collection import Folders
from ttrules.exports.postman.items import collection, identifier, item, saved
from ttrules.exports.postman.scripts import filled
from ttrules.spec.compiler import to_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttrules.exports.postman.items import Item
    from ttrules.rulebook import Rulebook

#: What a sandbox on one's own machine has; an environment is there to be changed.
_ROOT: Final = "http://127.0.0.1:8080"
_LISTENER: Final = "http://127.0.0.1:8090"
_CLIENT: Final = "operator-a"


def files_of(document: Mapping[str, Any], book: Rulebook) -> dict[str, bytes]:
    """Return the files for Postman by name: collection, environment, authorization collection.

    Raises NoExample.
    """
    api = Api(document, book)
    info = api.read.part(document, "info")
    name = info.get("x-collection", info.get("title", book.matrix.title))
    title = f"{name} - {info.get('version', book.matrix.version)}"
    wholesaler = api.read.part(info, "contact").get("name", info.get("title", book.matrix.title))
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
    servers = [_absolute(each) for each in api.servers() or [""]]
    values = {"baseUrl": servers[0]}
    if api.token_path is not None:
        values |= {"tokenUrl": _absolute(api.token_path), "clientId": _CLIENT, "clientSecret": ""}
    elif api.scheme is not None:
        values |= dict.fromkeys(CREDENTIALS[api.scheme.kind], "")
    if api.hub() is not None:
        values |= {"listenerUrl": _LISTENER}
    if any(map(api.is_signed, api.events())):
        values |= {"signingSecret": ""}
    if api.token_path is not None:
        values |= {"accessToken": "", "accessTokenExpires": ""}
    secret = {"clientSecret", "signingSecret", "accessToken", "password", "apiKey"}
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
        ]
        + [
            {"key": "baseUrl", "value": each, "type": "default", "enabled": False}
            for each in servers[1:]
        ],
        "_postman_variable_scope": "environment",
    }


def _absolute(address: str) -> str:
    """Return an address; a relative one is on one's own machine."""
    parts = urlsplit(address)
    if parts.scheme:
        return address
    return (
        f"https:{address}"
        if parts.netloc
        else _ROOT + "/" * (address[:1] not in {"", "/"}) + address
    )


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
            tests=filled(scripts.STATUS, title="200: granted", status=200)
            + filled(scripts.GRANTED),
            saved=[saved("200", right, 200, {"Cache-Control": "no-store"}, granted)],
        ),
        item(
            "[POST] access token, with a wrong secret",
            "It is refused (RFC 6749, section 5.2).",
            wrong,
            tests=filled(scripts.STATUS, title="401: not known", status=401)
            + filled(scripts.HEADER, title="header WWW-Authenticate", **challenge)
            + filled(scripts.MEMBER, title="error", name="error", value="invalid_client"),
            saved=[saved("401", wrong, 401, {"WWW-Authenticate": "Basic"}, unknown)],
        ),
    ]
    told = "Gets an access token with the operator's name and secret of the environment."
    return collection(name, told, items)
