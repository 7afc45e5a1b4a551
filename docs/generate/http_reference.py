"""Write the pages about the HTTP APIs: every operation, and every field of requests and responses.

The operations are read from the documents in spec/, as the server mounts them. The server's other
endpoints (BESIDES) are in no document, so they are listed here; a test compares them with the app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from server.documents import as_json_schema
from server.profile.reader import shipped_profile
from ttrules.exports.matrix.markdown import markdown_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_PROVIDER = shipped_profile().provider
assert _PROVIDER is not None
#: The documents by file name, each with the client that it is for.
DOCUMENTS: Final = {
    "openapi.yaml": (shipped_profile().operator.document, "The operations for operators."),
    "backoffice.yaml": (_PROVIDER.document, "The operations for the provider's systems."),
}
#: The other endpoints, each with its response and the credentials that it requires.
BESIDES: Final[dict[str, tuple[str, str]]] = {
    "POST /oauth2/token": (
        "An access token for a name and a secret (client credentials grant, RFC 6749).",
        "the client's name and secret",
    ),
    "POST /oauth2/revoke": (
        "Revokes the `token` in the form (RFC 7009); 200 also if it was not valid.",
        "the client's name and secret",
    ),
    "GET /health/live": ("200 while the process runs.", "no"),
    "GET /health/ready": (
        "200 while the database accepts changes; with the version of the API.",
        "no",
    ),
    "GET /metrics": ("The [metrics](metrics.md), in the format of Prometheus.", "no"),
    "GET /openapi.json": ("The OpenAPI document of the operations for operators, as below.", "no"),
    "GET /matrix": ("The requirement matrix, as a page.", "no"),
    "GET /ui/": ("Swagger UI: every operation, to read and to try.", "no"),
    **{
        f"GET {document['servers'][0]['url']}/openapi.json": (
            f"The OpenAPI document of “{document['info']['title']}”, with all rules in it.",
            "no",
        )
        for document, _ in DOCUMENTS.values()
    },
}
_METHODS: Final = ("get", "post", "put", "patch", "delete")
#: Keywords of a schema that limit a value, and their text.
_LIMITS: Final = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "pattern": "matches `{}`",
    "default": "`{}` when absent",
}
#: The header of every response, which the documents do not repeat.
_EVERYWHERE: Final = "X-Request-Id"


def fields() -> Iterator[str]:
    """Yield the page about fields."""
    yield "# Fields"
    yield ""
    yield "From [spec/openapi.yaml](../../spec/openapi.yaml) and"
    yield "[spec/backoffice.yaml](../../spec/backoffice.yaml): the type and the limits of each"
    yield "field. [The matrix](matrix.md) says in which process a field is required, optional or"
    yield "prohibited. Values of `date-time` are RFC 3339 with an offset or Z; values of `byte`"
    yield "are base64."
    known: set[str] = set()
    for document, _ in DOCUMENTS.values():
        for name, shape in document["components"]["schemas"].items():
            if name not in known:
                known.add(name)
                yield f"\n## {name}\n"
                yield from _shape(shape)


def _shape(shape: Mapping[str, Any]) -> Iterator[str]:
    """Yield the description of a component and the table of its fields."""
    if "description" in shape:
        yield shape["description"]
        yield ""
    if shape.get("type") == "array":
        yield f"A list, {_limits(shape)}, of objects:"
        yield ""
    properties = dict(_properties(shape))
    if not properties:
        yield f"{_type(shape)}; {_limits(shape)}."
        return
    required = set(_required(shape))
    yield from markdown_table(
        ("field", "type", "limits", *(["always"] if required else []), "description"),
        (
            (
                f"`{name}`",
                _type(each),
                _limits(each),
                *(("yes" if name in required else "",) if required else ()),
                str(_found(each).get("description", "")),
            )
            for name, each in properties.items()
        ),
    )


def _properties(shape: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the fields of a schema; for a list, those of its items."""
    shape = _found(shape)
    for part in shape.get("allOf", ()):
        yield from _properties(part)
    yield from (shape.get("properties") or shape.get("items", {}).get("properties", {})).items()


def _required(shape: Mapping[str, Any]) -> Iterator[str]:
    shape = _found(shape)
    for part in shape.get("allOf", ()):
        yield from _required(part)
    yield from shape.get("required") or shape.get("items", {}).get("required", ())


def _found(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Resolve a reference."""
    if "$ref" not in node:
        return node
    kind, name = node["$ref"].split("/")[-2:]
    found: Mapping[str, Any] = next(
        document["components"][kind][name]
        for document, _ in DOCUMENTS.values()
        if name in document["components"].get(kind, {})
    )
    return found


def _type(shape: Mapping[str, Any]) -> str:
    """Return the type of a value; a component is a link to its section."""
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return f"[{name}](fields.md#{name.lower()})"
    if "anyOf" in shape:
        return " or ".join(map(_type, shape["anyOf"]))
    if shape.get("type") == "array":
        return f"list of {_type(shape['items'])}"
    named = as_json_schema(shape).get("type", "any")
    kinds = " or ".join(named) if isinstance(named, list) else named
    return f"{kinds} ({shape['format']})" if "format" in shape else kinds


def _limits(shape: Mapping[str, Any]) -> str:
    """Return the limits of a value as text."""
    values = _found(shape).get("enum")
    said = [f"one of {', '.join(f'`{each}`' for each in values)}"] if values else []
    said += [words.format(shape[key]) for key, words in _LIMITS.items() if key in shape]
    return ", ".join(said)


def http() -> Iterator[str]:
    """Yield the page about operations."""
    yield "# Operations"
    yield ""
    yield "From [spec/openapi.yaml](../../spec/openapi.yaml) and"
    yield "[spec/backoffice.yaml](../../spec/backoffice.yaml). Request and response bodies are"
    yield "JSON; see [Fields](fields.md) and [Errors](errors.md). Every response has the header"
    yield f"`{_EVERYWHERE}`; if the request has this header, the response repeats its value."
    yield "\n## Authentication\n"
    yield "Every operation requires HTTP Basic authentication (the client's name and secret) or a"
    yield "bearer token from `POST /oauth2/token`, except where this page says otherwise. A token"
    yield "is valid for `TTR_TOKEN_LIFETIME` seconds. There are no scopes: a token allows what its"
    yield "client may do. See [Security](../explanation/security.md)."
    for document, said in DOCUMENTS.values():
        yield f"\n## {document['info']['title']}\n"
        yield f"{said} The paths begin with `{document['servers'][0]['url']}`."
        for path, item in document["paths"].items():
            for method in _METHODS:
                if method in item:
                    shared = item.get("parameters", [])
                    yield from _operation(f"{method.upper()} {path}", item[method], shared)
    yield "\n## Other endpoints\n"
    yield from markdown_table(
        ("request", "response", "credentials"),
        ((f"`{each}`", said, asked) for each, (said, asked) in BESIDES.items()),
    )


def _operation(
    name: str, operation: Mapping[str, Any], shared: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield the section about an operation."""
    yield f"\n### {name}\n"
    yield f"`{operation['operationId']}`: {operation['summary']}."
    yield f"{operation.get('description', '')}"
    if parameters := [_found(each) for each in (*shared, *operation.get("parameters", ()))]:
        yield ""
        yield from markdown_table(
            ("parameter", "in", "type", "limits", "meaning"),
            (
                (
                    f"`{each['name']}`",
                    each["in"],
                    _type(each["schema"]),
                    _limits(each["schema"]),
                    each["description"],
                )
                for each in parameters
            ),
        )
    if "requestBody" in operation:
        yield ""
        yield from markdown_table(
            ("request body", "type"),
            (
                (f"`{media_type}`", _type(each["schema"]))
                for media_type, each in operation["requestBody"]["content"].items()
            ),
        )
    yield ""
    yield from markdown_table(
        ("status", "meaning", "body", "headers"),
        (_answer(status, _found(each)) for status, each in operation["responses"].items()),
    )


def _answer(status: str, answer: Mapping[str, Any]) -> tuple[str, str, str, str]:
    bodies = [_type(each["schema"]) for each in answer.get("content", {}).values()]
    headers = [f"`{name}`" for name in answer.get("headers", {}) if name != _EVERYWHERE]
    return status, answer["description"], " or ".join(bodies), ", ".join(headers)
