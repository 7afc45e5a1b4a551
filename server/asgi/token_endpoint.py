"""The token endpoint: POST /oauth2/token, the client-credentials grant (RFC 6749, section 4.4).

POST /oauth2/revoke revokes a token (RFC 7009). Every answer of 400 or more has the form that RFC
6749 gives in section 5.2, also those to a request that the outer layers reject (see
`http.refusal_at`). There are no scopes: a token allows what its operator may do. A requested scope
is returned unchanged, since clients compare it with what they asked for.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote

from server.api.http import (
    FORM,
    REVOKE_PATH,
    TOKEN_PATH,
    UNCACHED,
    Response,
    dumps,
    oauth_answer,
    refusal_at,
)
from server.asgi.limits import address_of, send_answer
from server.asgi.routing import MATCH
from server.asgi.security import read_basic
from server.messages.catalogue import language_of
from server.messages.en import token_error
from server.problems import ApiError
from server.storage.operators import grant, revoke

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.asgi.limits import App, Receive, Scope, Send
    from server.asgi.security import Auth
    from server.config import Config
    from server.storage.database import Database
    from server.storage.operators import Operator
    from ttrules.message import Message

_GRANT_TYPE: Final = "client_credentials"
#: The parameters that are read from the body and never from the query (section 2.3.1).
_BODY_ONLY: Final = frozenset({"client_id", "client_secret", "grant_type", "scope", "token"})
#: What a scope may be (section 3.3).
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")
_MOST_FIELDS: Final = 32
#: The name of each operation in logs and metrics, by its path.
OPERATIONS: Final = {TOKEN_PATH: "grantToken", REVOKE_PATH: "revokeToken"}


class OAuthError(Exception):
    """An error of the token endpoint: a code of RFC 6749, section 5.2, and its description."""

    def __init__(self, code: str, description: Message) -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description


class TokenEndpoint:
    """An ASGI layer that answers the addresses of OAuth 2.0, which are in no document."""

    def __init__(self, app: App, auth: Auth, store: Database, config: Config) -> None:
        self._app = app
        self._auth = auth
        self._store = store
        self._lifetime = int(config.token_lifetime)
        self._actions = {TOKEN_PATH: self._grant, REVOKE_PATH: self._revoke}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for or about a token; pass all others on."""
        if scope["type"] != "http" or scope[MATCH].path not in OPERATIONS:
            await self._app(scope, receive, send)
            return
        raw = (await receive())["body"]
        await send_answer(await self._answer(scope, raw), send)

    async def _answer(self, scope: Scope, raw: bytes) -> Response:
        path, given = scope["path"], scope["headers"]
        try:
            if scope["method"] != "POST":
                raise ApiError("methodNotAllowed", headers={"Allow": "POST"})  # noqa: TRY301 - answered below, as every ApiError
            headers = {name.decode(): value.decode("latin-1") for name, value in given}
            form = _form(headers, scope["query_string"], raw)
            client = _credentials(headers.get("authorization"), form)
            found = await self._auth.basic(*client, address_of(scope))
            return await self._actions[path](found, form)
        except OAuthError as error:
            challenge = self._auth.challenges.basic
            return oauth_answer(error.code, error.description, language_of(given), challenge)
        except ApiError as refused:
            return refusal_at(path, refused, given, self._auth.challenges.basic)

    async def _grant(self, found: Operator, form: Mapping[str, str]) -> Response:
        """Answer with a new access token."""
        if (grant_type := form.get("grant_type")) is None:
            raise OAuthError("invalid_request", token_error("type"))
        if grant_type != _GRANT_TYPE:
            raise OAuthError("unsupported_grant_type", token_error("only"))
        scope = form.get("scope")
        if scope is not None and _SCOPE.fullmatch(scope) is None:
            raise OAuthError("invalid_scope", token_error("scope"))
        now, lifetime = time.time_ns() // 1000, self._lifetime
        granted = await self._store.write(lambda c: grant(c, found, now, lifetime * 1_000_000))
        body: dict[str, Any] = {
            "access_token": granted,
            "token_type": "Bearer",
            "expires_in": lifetime,
        }
        if scope is not None:
            body["scope"] = scope
        return Response(status=200, headers=UNCACHED, body=dumps(body))

    async def _revoke(self, found: Operator, form: Mapping[str, str]) -> Response:
        """Revoke a token of the client; an unknown one is answered the same (RFC 7009, 2.2)."""
        if (token := form.get("token")) is None:
            raise OAuthError("invalid_request", token_error("token"))
        await self._store.write(lambda c: revoke(c, found, token))
        self._auth.forget(token)
        return Response(status=200, headers=UNCACHED, body=b"{}")


def _form(headers: Mapping[str, str], query: bytes, raw: bytes) -> dict[str, str]:
    """Return the parameters of a body; those without a value count as absent (section 3.1).

    Raises OAuthError, also when a parameter is repeated (section 3.2) or is in the query.
    """
    if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise OAuthError("invalid_request", token_error("form", media_type=FORM))
    if _BODY_ONLY & {
        name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    }:
        raise OAuthError("invalid_request", token_error("in_body"))
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise OAuthError("invalid_request", token_error("readable")) from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise OAuthError("invalid_request", token_error("once"))
    return {name: value for name, value in form.items() if value}


def _credentials(authorization: str | None, form: Mapping[str, str]) -> tuple[str, str]:
    """Return name and secret of the client, which come in one way only (section 2.3).

    Beside the header the body may repeat the `client_id` (section 3.2.1).
    """
    if authorization is None:
        if "client_id" not in form or "client_secret" not in form:
            raise OAuthError("invalid_client", token_error("client"))
        return form["client_id"], form["client_secret"]
    if "client_secret" in form:
        raise OAuthError("invalid_request", token_error("twice"))
    pair = read_basic(authorization)
    if pair is None:
        raise OAuthError("invalid_client", token_error("basic"))
    # Section 2.3.1: both are form-encoded before they are joined.
    name, secret = unquote(pair[0]), unquote(pair[1])
    if form.get("client_id", name) != name:
        raise OAuthError("invalid_request", token_error("another"))
    return name, secret
