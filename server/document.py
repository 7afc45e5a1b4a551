"""The OpenAPI document: what Connexion mounts, and what clients are given.

There are two, one for each side: spec/openapi.yaml, and spec/backoffice.yaml, which refers to the
first and becomes one document with it here; and what a listener mounts is made of the callbacks of
the first. What clients are given has more in it, so that a client made from it knows that too: the
rules of each process, which ttrules.openapi puts into any document, and what only the server knows:
what each filter holds and which operators it has, from the tables of filtering. Connexion gets the
documents without them, since others enforce.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from server.filtering import FIELDS, MOST_VALUES, OPERATOR, OPERATOR_MEANINGS, Known
from server.schema import FILTERED
from ttrules.openapi import document as ruled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server.schema import Sort
    from ttrules import Book

PATH: Final = Path(__file__).parents[1] / "spec" / "openapi.yaml"
BACKOFFICE: Final = PATH.with_name("backoffice.yaml")
_COMPONENTS: Final = "#/components/"
#: What stands before an event's name in the address that it is sent to.
_CALLBACK: Final = "{$request.body#/callback}"
_METHODS: Final = ("get", "post", "put", "patch", "delete")
_MOST: Final = 10**18 - 1
#: A value of a list: not empty, and a comma in it stands behind a backslash.
_WORD: Final = {"type": "string", "pattern": r"^([^,]|\\,)+$"}
#: What a filter's values are, by how the member compares.
_VALUES: Final[dict[Sort, dict[str, Any]]] = {
    "text": {"items": _WORD, "minItems": 1},
    "number": {"items": {"type": "integer", "minimum": -_MOST, "maximum": _MOST}, "minItems": 1},
    "instant": {
        "items": {"anyOf": [{"type": "string", "format": each} for each in ("date", "date-time")]},
        "minItems": 1,
    },
}
#: The operators that are parameters of their own for clients that are generated. All others are
#: only told of: texts are seldom in an order, and no schema knows which expressions RE2 takes.
_OFFERED: Final[dict[Sort, tuple[str, ...]]] = {
    "text": ("ne",),
    "number": ("ne", "gt", "gte", "lt", "lte"),
    "instant": ("ne", "gt", "gte", "lt", "lte"),
}
#: The shape of a ticket.
_TICKET: Final = "TroubleTicket"
#: The parameter that names a process.
_PROCESS: Final = "Process"


def load() -> dict[str, Any]:
    """Return the document as it is written."""
    return _read(PATH)


def _read(path: Path) -> dict[str, Any]:
    # libyaml, where PyYAML is built with it, takes a tenth of the time, which every start pays.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load(path.read_bytes(), loader)  # noqa: S506 - both are safe
    return document


def load_backoffice() -> dict[str, Any]:
    """Return the document of the provider's side, with all that it refers to.

    Raises KeyError for a component that is not there.
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
            waiting += _references(known[name])  # which are met in their turn
    return document


def _references(node: object) -> Iterator[dict[str, Any]]:
    """Yield the objects that refer to others."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from _references(each)


def base_path(document: Mapping[str, Any]) -> str:
    """Return the path that all paths of the document begin with."""
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
    """Return the operations that take parameters of a query, by operationId."""
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
    """Return the operations that ask for no credentials, by operationId."""
    return frozenset(
        item[method]["operationId"]
        for item in document["paths"].values()
        for method in _METHODS
        if item.get(method, {}).get("security") == []
    )


def offered(document: Mapping[str, Any], settings: Mapping[str, bool]) -> dict[str, Any]:
    """Return a document without what hangs on a setting that is off; `x-setting` names it.

    `settings` has what is on and off by its variable.
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
    """Return the document of who receives events: what POST /hub calls back, as paths."""
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
    """Return a shape of the document (OpenAPI 3.0) in the words of JSON Schema 2020-12."""
    if isinstance(node, list):
        return [as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    shape = {key: as_json_schema(value) for key, value in node.items()}
    if shape.pop("nullable", False) is True and "type" in shape:
        shape["type"] = [shape["type"], "null"]
    return shape


def served(document: Mapping[str, Any], book: Book, prefix: str) -> dict[str, Any]:
    """Return the document for clients: with rules, filters and errors, behind a path prefix."""
    public = ruled(document, book)
    public["servers"] = [{"url": prefix + base_path(document)}]
    flows = public["components"]["securitySchemes"]["oauth2"]["flows"]
    flows["clientCredentials"]["tokenUrl"] = prefix + flows["clientCredentials"]["tokenUrl"]
    _tell_processes(public, book)
    _tell_filters(public, known(document))
    for name, parameter in public["components"]["parameters"].items():
        public["components"]["parameters"][name] = _without_example(parameter)
    return public


def _without_example(parameter: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parameter whose example is in its description.

    Swagger UI and others fill in an `example` and send it: a list would be filtered by all of them.
    """
    rest = {name: value for name, value in parameter.items() if name != "example"}
    if "example" in parameter:
        rest["description"] = f"{parameter['description']} Example: `{parameter['example']}`."
    return rest


def _tell_processes(public: dict[str, Any], book: Book) -> None:
    """Say by which names a process is asked for, where one is."""
    if (process := public["components"]["parameters"].get(_PROCESS)) is not None:
        names = [each[key] for key in ("slug", "name") for each in book.data["processes"]]
        process["schema"] = {"type": "string", "enum": names}


def known(document: Mapping[str, Any]) -> Known:
    """Return what the document says of a ticket: its members, and the values of its enums."""
    shapes = document["components"]["schemas"]
    members = shapes[_TICKET]["properties"]

    def enum(shape: Mapping[str, Any]) -> tuple[str, ...] | None:
        resolved = shapes[shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape
        return tuple(resolved["enum"]) if "enum" in resolved else None

    enums = {name: enum(shape) for name, shape in members.items()}
    return Known(tuple(members), {name: each for name, each in enums.items() if each})


def _tell_filters(public: dict[str, Any], of_ticket: Known) -> None:
    """Say what filters hold, `sort` and `fields` too, and offer each filter's operators."""
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
