"""The OpenAPI documents: the ones that Connexion mounts and the ones that clients download.

Each side has one: spec/openapi.yaml for operators, and spec/backoffice.yaml for the provider, whose
references to the first are resolved here. A listener mounts a third one, made of the callbacks of
the first. Clients get documents with more constraints, so that generated clients know them: the
rules of each process, added by ttrules.exports.openapi.document, and the values and operators of
each filter, from the tables of the query parser. Connexion mounts the documents without these,
because the operations enforce them.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from server.storage.tables import FILTERED
from server.storage.ticket_query import FIELDS, MOST_VALUES, OPERATOR, OPERATOR_MEANINGS, Known
from ttrules.exports.openapi.document import document as ruled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.storage.tables import Sort
    from ttrules import Rulebook

PATH: Final = Path(__file__).parents[1] / "spec" / "openapi.yaml"
BACKOFFICE: Final = PATH.with_name("backoffice.yaml")
_COMPONENTS: Final = "#/components/"
#: The part of a callback's address before the name of the event.
_CALLBACK: Final = "{$request.body#/callback}"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_MOST: Final = 10**18 - 1
#: A value of a list: not empty, with commas escaped by a backslash.
_WORD: Final = {"type": "string", "pattern": r"^([^,]|\\,)+$"}
#: The schema of a filter's values, by the sort of its member.
_VALUES: Final[dict[Sort, dict[str, Any]]] = {
    "text": {"items": _WORD, "minItems": 1},
    "number": {"items": {"type": "integer", "minimum": -_MOST, "maximum": _MOST}, "minItems": 1},
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
    "instant": ("ne", "gt", "gte", "lt", "lte"),
}
#: The schema of a ticket.
_TICKET: Final = "TroubleTicket"
#: The parameter that names a process.
_PROCESS: Final = "Process"


def load() -> dict[str, Any]:
    """Return the operators' document as in its file."""
    return _read(PATH)


def _read(path: Path) -> dict[str, Any]:
    # libyaml, if PyYAML was built with it, parses ten times as fast; every start parses.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load(path.read_bytes(), loader)  # noqa: S506 - both are safe
    return document


def load_backoffice() -> dict[str, Any]:
    """Return the provider's document, with all components that it refers to.

    Raises KeyError for a missing component.
    """
    document = _read(BACKOFFICE)
    operators = load()
    own, shared = document["components"], operators["components"]
    document["info"]["contact"] = operators["info"]["contact"]
    waiting = list(_references(document))
    for node in waiting:
        file, _, place = node["$ref"].partition(_COMPONENTS)
        node["$ref"] = _COMPONENTS + place
        kind, name = place.split("/")
        known = own.setdefault(kind, {})
        is_here = name in known and (not file or known[name] is shared[kind][name])
        if not is_here:
            known[name] = shared[kind][name]
            waiting += _references(known[name])  # resolved later in this loop
    return document


def _references(node: object) -> Iterator[dict[str, Any]]:
    """Yield the objects with a `$ref`."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _references(each)


def base_path(document: Mapping[str, Any]) -> str:
    """Return the base path of a document."""
    path: str = document["servers"][0]["url"]
    return path


def with_body(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the operations that take a body, by operationId."""
    return frozenset(
        item[method]["operationId"]
        for item in document["paths"].values()
        for method in _METHODS
        if "requestBody" in item.get(method, {})
    )


def with_query(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the operations with query parameters, by operationId."""
    components = document["components"]["parameters"]

    def is_in_query(parameter: Mapping[str, Any]) -> bool:
        if "$ref" in parameter:
            parameter = components[parameter["$ref"].rpartition("/")[2]]
        return bool(parameter["in"] == "query")

    return frozenset(
        item[method]["operationId"]
        for item in document["paths"].values()
        for method in _METHODS
        if any(map(is_in_query, item.get(method, {}).get("parameters", ())))
    )


def public(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the operations that need no credentials, by operationId."""
    return frozenset(
        item[method]["operationId"]
        for item in document["paths"].values()
        for method in _METHODS
        if item.get(method, {}).get("security") == []
    )


def offered(document: Mapping[str, Any], settings: Mapping[str, bool]) -> dict[str, Any]:
    """Return a document without the operations and tags whose `x-setting` is off.

    `settings` maps the names of settings to their values.
    """

    def is_on(node: Mapping[str, Any]) -> bool:
        return settings.get(node.get("x-setting", ""), True)

    paths = {
        path: {name: each for name, each in item.items() if name not in _METHODS or is_on(each)}
        for path, item in document["paths"].items()
    }
    return {
        **document,
        "paths": {path: item for path, item in paths.items() if set(item) & set(_METHODS)},
        "tags": [each for each in document["tags"] if is_on(each)],
    }


def operations(document: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the operationId of each method of each path, without the base path."""
    return {
        template: {name.upper(): item[name]["operationId"] for name in _METHODS if name in item}
        for template, item in document["paths"].items()
    }


def media_types(document: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Return the media types of the bodies of each method of each path, separated by commas."""
    return {
        template: {
            name.upper(): ", ".join(item[name]["requestBody"]["content"])
            for name in _METHODS
            if "requestBody" in item.get(name, {})
        }
        for template, item in document["paths"].items()
    }


def listening(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document of a listener: the callbacks of POST /hub as paths."""
    paths = {
        address.removeprefix(_CALLBACK): item
        for callback in document["paths"]["/hub"]["post"]["callbacks"].values()
        for address, item in callback.items()
    }
    info = {**document["info"], "title": f"{document['info']['title']}: listener"}
    shapes = {"schemas": document["components"]["schemas"]}
    return deepcopy(
        {"openapi": document["openapi"], "info": info, "paths": paths, "components": shapes}
    )


def as_json_schema(node: Any) -> Any:  # noqa: ANN401 - a schema, or a part of one
    """Return an OpenAPI 3.0 schema as JSON Schema 2020-12."""
    if isinstance(node, list):
        return [as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    shape = {key: as_json_schema(value) for key, value in node.items()}
    if shape.pop("nullable", False) is True and "type" in shape:
        shape["type"] = [shape["type"], "null"]
    return shape


def served(document: Mapping[str, Any], book: Rulebook, prefix: str) -> dict[str, Any]:
    """Return the document for clients: with rules and filters, behind a path prefix."""
    public = ruled(document, book)
    public["servers"] = [{"url": prefix + base_path(document)}]
    flows = public["components"]["securitySchemes"]["oauth2"]["flows"]
    flows["clientCredentials"]["tokenUrl"] = prefix + flows["clientCredentials"]["tokenUrl"]
    _add_processes(public, book)
    _add_filters(public, known(document))
    for name, parameter in public["components"]["parameters"].items():
        public["components"]["parameters"][name] = _without_example(parameter)
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
    if (process := public["components"]["parameters"].get(_PROCESS)) is not None:
        names = [each.slug for each in book.matrix.processes] + [*book.processes()]
        process["schema"] = {"type": "string", "enum": names}


def known(document: Mapping[str, Any]) -> Known:
    """Return the members of a ticket and the values of its enums."""
    shapes = document["components"]["schemas"]
    members = shapes[_TICKET]["properties"]

    def enum(shape: Mapping[str, Any]) -> tuple[str, ...] | None:
        resolved = shapes[shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
        return tuple(resolved["enum"]) if "enum" in resolved else None

    enums = {name: enum(shape) for name, shape in members.items()}
    return Known(tuple(members), {name: each for name, each in enums.items() if each})


def _add_filters(public: dict[str, Any], of_ticket: Known) -> None:
    """Add the schemas of the filters, `sort` and `fields`, and a parameter for each operator."""
    parameters = public["components"]["parameters"]
    offered = public["paths"]["/troubleTicket"]["get"]["parameters"]
    bound = {"maxItems": MOST_VALUES}
    for key, parameter in list(parameters.items()):
        name = parameter["name"]
        if name in FIELDS:
            member = FIELDS[name]
            sort = FILTERED.get(member, "text")
            values = {**_VALUES[sort], **bound}
            if member in of_ticket.values:
                values["items"] = {"type": "string", "enum": list(of_ticket.values[member])}
            for operator in _OFFERED[sort]:
                meaning = f"`{name}` where {OPERATOR_MEANINGS[operator]}."
                more = {"x-ours": True, "name": f"{name}.{operator}", "in": "query"}
                parameters[f"{key}.{operator}"] = _listed({**more, "description": meaning}, values)
                offered.append({"$ref": f"#/components/parameters/{key}.{operator}"})
            parameters[key] = _listed(parameter, values)
        elif name == "sort":
            names = [f"{sign}{each}" for each in FIELDS for sign in ("", "-")]
            items = {"type": "string", "enum": names}
            parameters[key] = _listed(parameter, {"items": items, "minItems": 1, **bound})
        elif name == "fields":
            items = {"type": "string", "enum": list(of_ticket.members)}
            parameters[key] = _listed(parameter, {"items": items, "minItems": 1, **bound})
        elif name == OPERATOR:
            parameters[key] = _listed(parameter, {**_VALUES["text"], **bound})


def _listed(parameter: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter whose value is a list, separated by commas."""
    return {
        **parameter,
        "style": "form",
        "explode": False,
        "schema": {"type": "array", **values},
    }
