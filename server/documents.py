"""The OpenAPI documents: the ones that Connexion mounts and the ones that clients download.

Each side of the profile has one. A listener mounts a third one, made of the callbacks of the
operators' document. Clients get documents with more constraints, so that generated clients know
them: the rules of each process, added by ttrules.exports.openapi.document, and the values and
operators of each filter, from the profile and the tables of the query parser. Connexion mounts the
documents without these, because the operations enforce them.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from server.profile.events import CALLBACK
from server.profile.members import OPERATOR
from server.profile.operations import METHODS
from server.storage.ticket_query import MOST_VALUES, OPERATOR_MEANINGS
from ttrules.exports.openapi.document import document as ruled
from ttrules.pointers import path_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.profile.model import Listing, Operation, Profile, Side, Sort
    from ttrules import Rulebook

_MOST: Final = 10**18 - 1
#: A value of a list: not empty, with commas escaped by a backslash.
_WORD: Final = {"type": "string", "pattern": r"^([^,]|\\,)+$"}
#: The schema of a filter's values, by the sort of its member.
_VALUES: Final[dict[Sort, dict[str, Any]]] = {
    "text": {"items": _WORD, "minItems": 1},
    "number": {"items": {"type": "integer", "minimum": -_MOST, "maximum": _MOST}, "minItems": 1},
    "decimal": {"items": {"type": "number", "minimum": -_MOST, "maximum": _MOST}, "minItems": 1},
    "instant": {
        "items": {"anyOf": [{"type": "string", "format": each} for each in ("date", "date-time")]},
        "minItems": 1,
    },
}
#: The operators that generated clients see as parameters. The others are only described: texts
#: rarely have an order, and no schema can express the syntax of RE2.
_OFFERED: Final[dict[Sort, tuple[str, ...]]] = {
    "text": ("ne",),
    "number": ("ne", "gt", "gte", "lt", "lte"),
    "decimal": ("ne", "gt", "gte", "lt", "lte"),
    "instant": ("ne", "gt", "gte", "lt", "lte"),
}
#: The parameter that names a process.
_PROCESS: Final = "process"


def _nodes(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Yield the path item and the object of each operation."""
    for item in document["paths"].values():
        for method in METHODS:
            if method in item:
                yield item, item[method]


def resolved(document: Mapping[str, Any], node: Any) -> Any:
    """Return a part of a document, or what it refers to."""
    while "$ref" in node:
        reference, node = node["$ref"], document
        for key in path_of(reference.removeprefix("#")):
            node = node[key]
    return node


def with_body(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the operations that take a body, by operationId."""
    return frozenset(node["operationId"] for _, node in _nodes(document) if "requestBody" in node)


def with_query(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the operations with query parameters, by operationId."""
    return frozenset(
        node["operationId"]
        for item, node in _nodes(document)
        for each in (*item.get("parameters", ()), *node.get("parameters", ()))
        if resolved(document, each)["in"] == "query"
    )


def public(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the operations that need no credentials, by operationId."""
    return frozenset(
        node["operationId"]
        for _, node in _nodes(document)
        if node.get("security", document.get("security", [])) == []
    )


def body_schema(document: Mapping[str, Any], operation: Operation | None) -> dict[str, Any]:
    """Return the schema of the body of an operation as JSON Schema; anything without one."""
    if operation is None:
        return {}
    node = document["paths"][operation.path][operation.method.lower()]
    body = resolved(document, node["requestBody"])["content"]["application/json"]
    schema: dict[str, Any] = as_json_schema(
        {**body.get("schema", {}), "components": document["components"]}
    )
    return schema


def offered(document: Mapping[str, Any], settings: Mapping[str, bool]) -> dict[str, Any]:
    """Return a document without the operations and tags whose `x-setting` is off.

    `settings` maps the names of settings to their values.
    """

    def is_on(node: Mapping[str, Any]) -> bool:
        return settings.get(node.get("x-setting", ""), True)

    paths = {
        path: {name: each for name, each in item.items() if name not in METHODS or is_on(each)}
        for path, item in document["paths"].items()
    }
    tags = (
        {"tags": [each for each in document["tags"] if is_on(each)]} if "tags" in document else {}
    )
    return {
        **document,
        "paths": {path: item for path, item in paths.items() if set(item) & set(METHODS)},
        **tags,
    }


def operations(document: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the operationId of each method of each path, without the base path."""
    return {
        template: {name.upper(): item[name]["operationId"] for name in METHODS if name in item}
        for template, item in document["paths"].items()
    }


def media_types(document: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the media types of the bodies of each method of each path, separated by commas."""
    return {
        template: {
            name.upper(): ", ".join(resolved(document, item[name]["requestBody"])["content"])
            for name in METHODS
            if "requestBody" in item.get(name, {})
        }
        for template, item in document["paths"].items()
    }


def listening(profile: Profile) -> dict[str, Any]:
    """Return the document of a listener: the callbacks of the subscription as paths.

    Without such an operation it has no path.
    """
    document, operation = profile.operator.document, profile.operator.find("subscribe")
    callbacks: Mapping[str, Any] = {}
    if operation is not None:
        callbacks = document["paths"][operation.path]["post"].get("callbacks", {})
    paths = {
        address.removeprefix(CALLBACK): item
        for callback in callbacks.values()
        for address, item in resolved(document, callback).items()
        if address.startswith(CALLBACK)
    }
    info = {**document["info"], "title": f"{document['info']['title']}: listener"}
    shapes = {"schemas": document["components"]["schemas"]}
    return deepcopy(
        {"openapi": document["openapi"], "info": info, "paths": paths, "components": shapes}
    )


def as_json_schema(node: Any) -> Any:
    """Return an OpenAPI 3.0 schema as JSON Schema 2020-12."""
    if isinstance(node, list):
        return [as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    shape = {key: as_json_schema(value) for key, value in node.items()}
    if shape.pop("nullable", False) is True and "type" in shape:
        shape["type"] = [shape["type"], "null"]
    return shape


def served(side: Side, prefix: str, document: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the document of a side for clients: with rules and filters, behind a path prefix.

    `document` is that of the side by default, or the part of it that is offered.
    """
    document = side.document if document is None else document
    public = ruled(document, side.book)
    public["servers"] = [{"url": prefix + side.base}]
    schemes = public["components"].get("securitySchemes", {})
    for flow in (each.get("flows", {}).get("clientCredentials") for each in schemes.values()):
        if flow is not None:
            flow["tokenUrl"] = prefix + flow["tokenUrl"]
    _add_processes(public, side.book)
    _add_filters(public, side)
    parameters = public["components"].get("parameters", {})
    for name, parameter in parameters.items():
        parameters[name] = _without_example(parameter)
    return public


def _without_example(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter with its example moved into the description.

    Swagger UI and other tools send an `example` by default: every list would be filtered.
    """
    rest = {name: value for name, value in parameter.items() if name != "example"}
    if "example" in parameter:
        rest["description"] = f"{parameter['description']} Example: `{parameter['example']}`."
    return rest


def _add_processes(public: dict[str, Any], book: Rulebook) -> None:
    """Add the names of the processes to the parameter that selects one, if there is one."""
    names = [each.slug for each in book.matrix.processes] + [*book.processes()]
    for _, node in _nodes(public):
        if node.get("x-does") == "check":
            for each in node.get("parameters", ()):
                parameter = resolved(public, each)
                if parameter["name"] == _PROCESS:
                    parameter["schema"] = {"type": "string", "enum": names}


def _add_filters(public: dict[str, Any], side: Side) -> None:
    """Add the schemas of the filters, `sort` and `fields`, and a parameter for each operator."""
    operation, listing = side.find("list"), side.listing
    if operation is None or operation.path not in public["paths"]:
        return
    node = public["paths"][operation.path]["get"]
    components = public["components"].get("parameters", {})
    added = []
    for index, each in enumerate(node.get("parameters", ())):
        key = each["$ref"].rpartition("/")[2] if "$ref" in each else None
        parameter = each if key is None else components[key]
        changed = _with_values(parameter, listing)
        if key is None:
            node["parameters"][index] = changed
        else:
            components[key] = changed
        for more in _with_operators(parameter, listing):
            if key is None:
                added.append(more)
            else:
                name = f"{key}.{more['name'].rpartition('.')[2]}"
                components[name] = more
                added.append({"$ref": f"#/components/parameters/{name}"})
    node["parameters"] = [*node.get("parameters", ()), *added]


def _with_values(parameter: dict[str, Any], listing: Listing) -> dict[str, Any]:
    """Return a parameter of a list with the schema of its values."""
    name, bound = parameter["name"], {"maxItems": MOST_VALUES}
    if name in listing.filters:
        return _listed(parameter, {**_values(name, listing), **bound})
    if name == "sort":
        names = [f"{sign}{each}" for each in listing.filters for sign in ("", "-")]
        return _listed(
            parameter, {"items": {"type": "string", "enum": names}, "minItems": 1, **bound}
        )
    if name == "fields":
        items = {"type": "string", "enum": list(listing.members)}
        return _listed(parameter, {"items": items, "minItems": 1, **bound})
    return _listed(parameter, {**_VALUES["text"], **bound}) if name == OPERATOR else parameter


def _values(name: str, listing: Listing) -> dict[str, Any]:
    """Return the schema of the values of a filter."""
    member = listing.filters[name]
    values = dict(_VALUES[listing.sorts[member]])
    if member in listing.values:
        values["items"] = {"type": "string", "enum": list(listing.values[member])}
    return values


def _with_operators(parameter: Mapping[str, Any], listing: Listing) -> Iterator[dict[str, Any]]:
    """Yield a parameter for each operator that a filter offers to generated clients."""
    name = parameter["name"]
    if name not in listing.filters:
        return
    values = {**_values(name, listing), "maxItems": MOST_VALUES}
    for operator in _OFFERED[listing.sorts[listing.filters[name]]]:
        meaning = f"`{name}` where {OPERATOR_MEANINGS[operator]}."
        more = {"x-ours": True, "name": f"{name}.{operator}", "in": "query"}
        yield _listed({**more, "description": meaning}, values)


def _listed(parameter: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter whose value is a list, separated by commas."""
    return {
        **parameter,
        "style": "form",
        "explode": False,
        "schema": {"type": "array", **values},
    }
