"""The pages of the HTTP APIs: every operation, and every field of what they take and answer.

All is read from the documents of spec/, as the server mounts them. What the server answers beside
their operations (BESIDES) is in no document, so it is told here; a test holds it against the app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from docs.tables import table
from server.document import as_json_schema, base_path, load, load_backoffice

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: The documents, each with its file and with who asks.
DOCUMENTS: Final = {
    "openapi.yaml": (load(), "What operators ask."),
    "backoffice.yaml": (load_backoffice(), "What the provider's systems ask."),
}
#: What is answered beside the operations, and whether it asks for credentials.
BESIDES: Final[dict[str, tuple[str, str]]] = {
    "POST /oauth2/token": (
        "An access token for a name and a secret: the client-credentials grant of RFC 6749.",
        "the client's name and secret",
    ),
    "POST /oauth2/revoke": (
        "200 once the `token` of the form is not valid any more, or never was: RFC 7009.",
        "the client's name and secret",
    ),
    "GET /health/live": ("200 while the process runs.", "no"),
    "GET /health/ready": ("200 while the database answers; with the API's version.", "no"),
    "GET /metrics": ("The [numbers](metrics.md), as Prometheus reads them.", "no"),
    "GET /openapi.json": ("The document of operators' operations, as below.", "no"),
    "GET /matrix": ("The matrix of what operators send, as a page.", "no"),
    "GET /ui/": ("A page that shows every operation and lets you try it.", "no"),
    **{
        f"GET {base_path(document)}/openapi.json": (
            f"The document of “{document['info']['title']}” with all rules in it, for clients.",
            "no",
        )
        for document, _ in DOCUMENTS.values()
    },
}
_METHODS: Final = ("get", "post", "put", "patch", "delete")
#: Keywords of a shape that bound a value, and how they are told.
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
#: The header that every answer has, which the documents do not repeat.
_EVERYWHERE: Final = "X-Request-Id"


def fields() -> Iterator[str]:
    """Yield the page of the fields."""
    yield "# Fields"
    yield ""
    yield "From [spec/openapi.yaml](../../spec/openapi.yaml) and"
    yield "[spec/backoffice.yaml](../../spec/backoffice.yaml): what each field may hold. In which"
    yield "process it is required, optional or prohibited stands in [the matrix](matrix.md)."
    yield "Values of `date-time` are RFC 3339 with an offset or Z, values of `byte` are base64."
    known: set[str] = set()
    for document, _ in DOCUMENTS.values():
        for name, shape in document["components"]["schemas"].items():
            if name not in known:
                known.add(name)
                yield f"\n## {name}\n"
                yield from _shape(shape)


def _shape(shape: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a component is, and the table of its fields."""
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
    yield from table(
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
    """Yield the fields of a shape; those of a list are those of its items."""
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
    """Return what a reference leads to."""
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
    """Return the type of a value; that of a component leads to it."""
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
    """Return what bounds a value, in words."""
    values = _found(shape).get("enum")
    said = [f"one of {', '.join(f'`{each}`' for each in values)}"] if values else []
    said += [words.format(shape[key]) for key, words in _LIMITS.items() if key in shape]
    return ", ".join(said)


def http() -> Iterator[str]:
    """Yield the page of the operations."""
    yield "# Operations"
    yield ""
    yield "From [spec/openapi.yaml](../../spec/openapi.yaml) and"
    yield "[spec/backoffice.yaml](../../spec/backoffice.yaml). All but the last section asks for HTTP"
    yield "Basic, or for a bearer token. Bodies are JSON; their fields have [a page](fields.md), and so"
    yield f"has every [error](errors.md). Every answer has the header `{_EVERYWHERE}`, the sender's own"
    yield "where it sent one."
    for file, (document, said) in DOCUMENTS.items():
        yield f"\n## {document['info']['title']}\n"
        yield f"{said} [spec/{file}](../../spec/{file}); its paths begin with `{base_path(document)}`."
        for path, item in document["paths"].items():
            for method in _METHODS:
                if method in item:
                    shared = item.get("parameters", [])
                    yield from _operation(f"{method.upper()} {path}", item[method], shared)
    yield "\n## Beside the operations\n"
    yield from table(
        ("request", "answer", "credentials"),
        ((f"`{each}`", said, asked) for each, (said, asked) in BESIDES.items()),
    )


def _operation(
    name: str, operation: Mapping[str, Any], shared: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    """Yield what there is to know of an operation."""
    yield f"\n### {name}\n"
    yield f"`{operation['operationId']}`: {operation['summary']}. {operation.get('description', '')}"
    if parameters := [_found(each) for each in (*shared, *operation.get("parameters", ()))]:
        yield ""
        yield from table(
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
        yield from table(
            ("body", "is"),
            (
                (f"`{media_type}`", _type(each["schema"]))
                for media_type, each in operation["requestBody"]["content"].items()
            ),
        )
    yield ""
    yield from table(
        ("answer", "means", "body", "headers"),
        (_answer(status, _found(each)) for status, each in operation["responses"].items()),
    )


def _answer(status: str, answer: Mapping[str, Any]) -> tuple[str, str, str, str]:
    bodies = [_type(each["schema"]) for each in answer.get("content", {}).values()]
    headers = [f"`{name}`" for name in answer.get("headers", {}) if name != _EVERYWHERE]
    return status, answer["description"], " or ".join(bodies), ", ".join(headers)
