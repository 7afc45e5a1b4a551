"""Specs of an order API whose processes are selected in every way, and a direct reading of them.

The shapes are the same in all; matrix and interpretation differ. `reading` and `selected` are what
the engines and the selection are compared with: they read the files and use no JSON Schema.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

import ttrules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from random import Random

OPENAPI = """\
openapi: 3.0.3
info: {title: Orders, version: "1"}
paths:
  /orders:
    post: {requestBody: {$ref: "#/components/requestBodies/Order"}}
  /orders/{id}:
    patch: {requestBody: {$ref: "#/components/requestBodies/Order"}}
    put: {requestBody: {$ref: "#/components/requestBodies/Order"}}
  /orders/{id}/cancel:
    post: {requestBody: {$ref: "#/components/requestBodies/Cancel"}}
  /parcels:
    post:
      requestBody:
        content: {application/json: {schema: {$ref: "#/components/schemas/ParcelCreate"}}}
    get: {}
  /parcels/{id}:
    patch:
      requestBody:
        content: {application/json: {schema: {$ref: "#/components/schemas/ParcelUpdate"}}}
components:
  requestBodies:
    Order: {content: {application/json: {schema: {$ref: "#/components/schemas/Order"}}}}
    Cancel: {content: {application/json: {schema: {$ref: "#/components/schemas/Cancel"}}}}
  schemas:
    Order:
      type: object
      properties:
        id: {type: string}
        kind: {type: string, enum: [plain, gift, bulk, other]}
        priority: {type: integer, minimum: 1, maximum: 3}
        express: {type: boolean}
        state: {type: string, enum: [open, done, cancelled]}
        reason: {type: string}
        card: {type: string}
        to: {$ref: "#/components/schemas/Address"}
        parties: {type: array, items: {$ref: "#/components/schemas/Party"}}
        tags: {type: array, items: {type: string}}
    Address:
      type: object
      properties:
        zone: {type: string, enum: [home, abroad]}
        street: {type: string}
        permit: {type: string}
    Party:
      type: object
      properties:
        role: {type: string, enum: [buyer, seller, carrier]}
        name: {type: string}
        licence: {type: string}
    Cancel:
      type: object
      properties:
        why: {type: string}
        note: {type: string}
    ParcelCreate:
      type: object
      properties:
        label: {type: string}
        owner: {$ref: "#/components/schemas/Party"}
    ParcelUpdate:
      type: object
      properties:
        label: {type: string}
        owner: {$ref: "#/components/schemas/Party"}
        mark: {type: string}
"""
SHAPES: dict[str, Any] = yaml.safe_load(OPENAPI)["components"]["schemas"]

#: The rows of the matrix: the code of every process, or the codes of Add and all other processes.
ROWS = {
    "Order": {
        "id": "P",
        "kind": "R O",
        "priority": "O",
        "express": "O",
        "state": "O",
        "reason": "R/PD",
        "card": "P/PD",
        "to": "O",
        "parties": "O",
        "tags": "O",
    },
    "Address": {"zone": "O", "street": "O", "permit": "O/PD"},
    "Party": {"role": "R", "name": "O", "licence": "PD"},
}
#: Conditions with every one-field relation and every test, on every owner.
CONDITIONS = """\
conditions:
  - {entity: Order, fields: [reason], relation: required, reason: x,
     when: {field: state, in: [done, cancelled]}}
  - {entity: Order, fields: [card], relation: prohibited, reason: x,
     when: {field: kind, not_in: [gift, bulk]}}
  - {entity: Order, fields: [card], relation: required, reason: x,
     when: {field: parties, contains: {role: carrier, name: Ann}}}
  - {entity: Address, fields: [permit], relation: optional, reason: x,
     when: {field: zone, equals: abroad}}
  - {entity: Address, fields: [permit], relation: required, reason: x,
     when: {field: tags, of: parent, contains: heavy}}
  - {entity: Party, fields: [licence], relation: required, reason: x,
     when: {field: express, of: root, not_equals: true}}
  - {entity: Party, fields: [licence], relation: prohibited, reason: x,
     when: {field: priority, of: root, equals: 3}}
  - {entity: Order, fields: [reason, card], relation: at_most_one, reason: x,
     when: {field: parties, not_contains: {role: buyer}}}
"""


class Spec(NamedTuple):
    """A matrix and an interpretation as texts, both for OPENAPI."""

    requirements: str
    interpretation: str = ""

    def load(self, folder: Path) -> ttrules.Rulebook:
        """Write the files to a folder and return their Rulebook. Raises SpecError."""
        paths = {}
        for name, text in (("openapi", OPENAPI), *self._asdict().items()):
            if text:
                paths[name] = folder / f"{name}.yaml"
                paths[name].write_text(text, encoding="utf-8")
        return ttrules.load(**paths)


def spec(selection: str, *processes: str, conditions: str = CONDITIONS, **more: str) -> Spec:
    """Return a spec with the root Order: `selection` is the section, in flow style, or empty.

    `more` has codes of fields of the root that differ from ROWS.
    """
    lines = [f"matrix: 1\nroot: Order\nprocesses: [{', '.join(processes)}]\nentities:"]
    for entity, rows in ROWS.items():
        lines.append(f"  {entity}:")
        for name, usual in rows.items():
            first, *rest = (more.get(name, usual) if entity == "Order" else usual).split()
            codes = [first, *(rest or [first]) * len(processes)][: len(processes)]
            lines.append(f"    {name}: [{', '.join(codes)}]")
    section = f"selection: {selection}\n" if selection else ""
    return Spec("\n".join(lines) + "\n", f"interpretation: 1\n{section}{conditions}")


def by_field(field: str, **processes: str) -> str:
    """Return a selection by a field; a rule is the text in braces."""
    rules = ", ".join(f"{name}: {{{rule}}}" for name, rule in processes.items())
    named = f"field: {field}, " if field else ""
    return f"{{{named}reason: x, processes: {{{rules}}}}}"


#: A spec for each way to select a process.
SPECS: dict[str, Spec] = {
    "one process": spec("", "Order", kind="O"),
    "operations": spec(
        by_field("", Create="operation: add", Update="operation: change", Put="operation: replace"),
        *("Create", "Update", "Put"),
    ),
    "values": spec(
        by_field(
            "kind",
            Plain="operation: add, value: plain",
            Several="operation: add, values: [gift, bulk]",
            Rest="operation: add, otherwise: true",
            Update="operation: change",
        ),
        *("Plain", "Several", "Rest", "Update"),
        kind="O",
    ),
    "boolean": spec(
        by_field(
            "express",
            Fast="operation: add, value: true",
            Slow="operation: add, otherwise: true",
            FastChange="operation: change, value: true",
            SlowChange="operation: change, value: false",
        ),
        *("Fast", "Slow", "FastChange", "SlowChange"),
    ),
    "integer": spec(
        by_field(
            "priority",
            High="operation: add, value: 1",
            Low="operation: add, values: [2, 3]",
            Update="operation: change",
        ),
        *("High", "Low", "Update"),
        priority="R R O",
    ),
    "nested": spec(
        by_field(
            "/to/zone",
            Home="operation: add, value: home",
            Abroad="operation: add, value: abroad",
            HomeChange="operation: change, value: home",
            AbroadChange="operation: change, otherwise: true",
        ),
        *("Home", "Abroad", "HomeChange", "AbroadChange"),
    ),
    "one value": spec(by_field("kind", Only="operation: add, value: plain"), "Only", kind="O"),
    "roots": Spec(
        """\
matrix: 1
processes: [Create, Update, Cancel]
roots: {Create: ParcelCreate, Update: ParcelUpdate, Cancel: Cancel}
entities:
  ParcelCreate: {label: [R, "-", "-"], owner: [R, "-", "-"]}
  ParcelUpdate: {label: ["-", O, "-"], owner: ["-", O, "-"], mark: ["-", R/PD, "-"]}
  Party: {role: [R, O, "-"], name: [O, P, "-"], licence: [PD, O, "-"]}
  Cancel: {why: ["-", "-", R], note: ["-", "-", P/PD]}
""",
        """\
interpretation: 1
selection:
  reason: x
  processes:
    Create: {operation: add}
    Update: {operation: change, add: Create}
    Cancel: {operation: action, request: "POST /orders/{id}/cancel"}
removal: {allowed_when: optional_in_both, reason: x}
conditions:
  - {entity: Cancel, fields: [note], relation: prohibited, reason: x,
     when: {field: why, equals: late}}
  - {entity: ParcelUpdate, fields: [mark], relation: optional, reason: x,
     when: {field: owner, exists: true}}
  - {entity: Party, fields: [licence], relation: required, reason: x,
     when: {field: label, of: root, exists: true}}
""",
    ),
}


# The reading.


class Reading:
    """The files of a spec, read directly."""

    def __init__(self, files: Spec) -> None:
        self.matrix = yaml.safe_load(files.requirements)
        self.decided = yaml.safe_load(files.interpretation) or {}
        self.processes: list[str] = self.matrix["processes"]
        self.rules = self.decided.get("selection", {}).get("processes", {})

    def root(self, process: str) -> str:
        """Return the entity of the payloads of a process."""
        return str(self.matrix.get("roots", {}).get(process, self.matrix.get("root")))

    def code(self, entity: str, field: str, process: str) -> str:
        """Return the code of a cell."""
        return str(self.matrix["entities"][entity][field][self.processes.index(process)])

    def path(self) -> list[str]:
        """Return the names of the members that lead to the selecting field."""
        field = self.decided.get("selection", {}).get("field")
        return [] if field is None else field.removeprefix("/").split("/")

    def allowed(self, process: str) -> list[Any] | None:
        """Return the values of the selecting field in a process; None means every value."""
        rule = self.rules.get(process, {})
        if "otherwise" in rule:
            others = [
                each for each in self.rules.values() if each["operation"] == rule["operation"]
            ]
            taken = [value for each in others for value in self._named(each)]
            shape: dict[str, Any] = {"$ref": f"#/{self.root(process)}"}
            for name in self.path():
                shape = SHAPES[shape["$ref"].rpartition("/")[2]]["properties"][name]
            return [value for value in shape.get("enum", [True, False]) if value not in taken]
        return self._named(rule) or None

    def _named(self, rule: Mapping[str, Any]) -> list[Any]:
        return list(rule.get("values", [rule["value"]] if "value" in rule else []))

    def findings(self, payload: object, process: str) -> set[tuple[str, str]]:
        """Return pointer and code of every finding on a payload, warnings included."""
        return set(self._object(payload, self.root(process), process, [("", None)]))

    def _object(
        self, value: Any, entity: str, process: str, line: list[tuple[str, Any]]
    ) -> Iterator[tuple[str, str]]:
        """Yield the findings on an object; `line` has the place and the objects around it."""
        at = line[-1][0]
        if not isinstance(value, dict):
            yield at, "null" if value is None else "type"
            return
        line = [*line[:-1], (at, value)]
        rows = self.matrix["entities"][entity]
        for name in value.keys() - rows.keys():
            yield f"{at}/{name}", "unknown_field"
        for name in rows:
            here, code = f"{at}/{name}", self.code(entity, name, process)
            if name not in value:
                if code == "R":
                    yield here, "required"
            elif code in {"P", "-"}:
                yield here, "prohibited" if code == "P" else "not_supported"
            else:
                yield from self._value(value[name], (entity, name), process, [*line, (here, None)])
        for rule in self.decided.get("conditions", ()):
            if rule["entity"] == entity:
                yield from self._condition(rule, process, at, [each for _, each in line])

    def _value(
        self, value: Any, cell: tuple[str, str], process: str, line: list[tuple[str, Any]]
    ) -> Iterator[tuple[str, str]]:
        shape, code, at = (
            SHAPES[cell[0]]["properties"][cell[1]],
            self.code(*cell, process),
            line[-1][0],
        )
        if "$ref" in shape:
            yield from self._object(value, shape["$ref"].rpartition("/")[2], process, line)
            return
        allowed = shape.get("enum")
        if at == "/" + "/".join(self.path()) and self.allowed(process) is not None:
            allowed = self.allowed(process)
        if (wrong := _wrong(value, shape, allowed, solid=code in {"R", "R/PD"})) is not None:
            yield at, wrong
        elif shape["type"] == "array":
            for index, item in enumerate(value):
                here = f"{at}/{index}"
                if "$ref" in shape["items"]:
                    inner = shape["items"]["$ref"].rpartition("/")[2]
                    yield from self._object(item, inner, process, [*line[:-1], (here, None)])
                elif (wrong := _wrong(item, shape["items"], None, solid=False)) is not None:
                    yield here, wrong

    def _condition(
        self, rule: Mapping[str, Any], process: str, at: str, line: list[Any]
    ) -> Iterator[tuple[str, str]]:
        relation, fields, value = rule["relation"], rule["fields"], line[-1]
        codes = [self.code(rule["entity"], name, process) for name in fields]
        if not any("PD" in code for code in codes):
            return
        is_met = "when" not in rule or _is_true(rule["when"], line)
        if relation == "at_most_one":
            sent = [name for name in fields if name in value]
            if is_met and sent[1:]:
                yield f"{at}/{sent[1]}", "process_dependent"
            return
        for name, code in zip(fields, codes, strict=True):
            must, may_not = relation == "required" and is_met, relation == "prohibited" and is_met
            if relation == "optional" and not is_met:
                must, may_not = code == "R/PD", code != "R/PD"
            if (must and name not in value) or (may_not and name in value):
                yield f"{at}/{name}", "process_dependent"

    def selected(self, payload: object, operation: str) -> str | None:
        """Return the process that a payload selects among those of an operation, or None."""
        names = [name for name, rule in self.rules.items() if rule["operation"] == operation]
        if not self.rules:
            return str(self.processes[0]) if len(self.processes) == 1 else None
        if not any(rule in self.rules[name] for name in names for rule in ("value", "values")):
            return str(names[0]) if len(names) == 1 else None
        value = payload
        for name in self.path():
            value = value.get(name) if isinstance(value, dict) else None
        for name in map(str, names):
            if any(_equal(value, each) for each in self.allowed(name) or ()):
                return name
        if value is None:
            for name in map(str, names):
                is_only = (
                    len(names) == 1 and self.code(self.root(name), self.path()[0], name) != "R"
                )
                if "otherwise" in self.rules[name] or is_only:
                    return name
        return None


def _equal(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _wrong(
    value: Any, shape: Mapping[str, Any], allowed: list[Any] | None, *, solid: bool
) -> str | None:
    """Return the code of what is wrong with a scalar or a list itself, or None."""
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    types = {
        "string": isinstance(value, str),
        "integer": is_whole and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "array": isinstance(value, list),
    }
    if value is None:
        return "null"
    if not types[shape["type"]]:
        return "type"
    if solid and (value == [] or (isinstance(value, str) and not value.strip())):
        return "empty"
    if allowed is not None and not any(_equal(value, each) for each in allowed):
        return "enum"
    if shape["type"] == "integer" and not shape["minimum"] <= value <= shape["maximum"]:
        return "range"
    return None


def _is_true(when: Mapping[str, Any], line: list[Any]) -> bool:
    """Return whether the test of a condition is true for the last of some nested objects."""
    owner = {"self": line[-1], "parent": line[-2:][0], "root": line[0]}[when.get("of", "self")]
    (test,) = when.keys() - {"field", "of"}
    wanted, is_sent = when[test], when["field"] in owner
    value = owner.get(when["field"])
    if test == "exists":
        return is_sent is wanted
    if test.endswith("contains"):
        items = value if isinstance(value, list) else []
        result = any(
            isinstance(item, dict) and all(_equal(item.get(k), v) for k, v in wanted.items())
            if isinstance(wanted, dict)
            else _equal(item, wanted)
            for item in items
        )
    else:
        values = wanted if isinstance(wanted, list) else [wanted]
        result = is_sent and any(_equal(value, each) for each in values)
    return result is not test.startswith("not_")


# Random payloads.

#: What a member may be by chance, right or wrong.
ODD: tuple[Any, ...] = (
    None,
    "",
    " ",
    "x",
    "plain",
    "gift",
    "open",
    "abroad",
    1,
    2,
    3.0,
    9,
    True,
    False,
    [],
    {},
    [1],
)


def payload(root: str, draw: Random) -> dict[str, Any]:
    """Return a random payload: most of its values are right."""
    return _random_object(root, draw, draw.choice((0.2, 0.5, 0.8)))


def _random_object(entity: str, draw: Random, likely: float) -> dict[str, Any]:
    made = {
        name: draw.choice(ODD) if draw.random() < 0.04 else _random(shape, draw, likely)
        for name, shape in SHAPES[entity]["properties"].items()
        if draw.random() < likely
    }
    return {**made, "unknown": 1} if draw.random() < 0.02 else made


def _random(shape: Mapping[str, Any], draw: Random, likely: float) -> Any:
    if "$ref" in shape:
        return _random_object(shape["$ref"].rpartition("/")[2], draw, likely)
    if "enum" in shape:
        return draw.choice(shape["enum"])
    match shape["type"]:
        case "array":
            return [_random(shape["items"], draw, likely) for _ in range(draw.randrange(3))]
        case "integer":
            return draw.randint(1, 3)
        case "boolean":
            return draw.random() < 0.5
    return draw.choice(("Ann", "heavy", "late", "text"))
