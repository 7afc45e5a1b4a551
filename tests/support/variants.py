"""Small matrices with recursive entities, variants of objects, and scalars of several types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.support.small_matrix import COUNT, NAME, at_least_one, many, matrix_of, row
from ttrules.matrix import When

if TYPE_CHECKING:
    from ttrules.matrix import Matrix

CARS: Final = {"Car": ("car", "van"), "Bike": ("bike",)}
VEHICLES: Final = {
    "Car": {"@type": row("R R", NAME), "doors": row("R O", COUNT), "name": row("O O", NAME)},
    "Bike": {"@type": row("R R", NAME), "gears": row("P O", COUNT), "name": row("- O", NAME)},
}
LOOSE: Final = {
    entity: {**fields, "@type": row("O O", NAME)} for entity, fields in VEHICLES.items()
}
IPS: Final[dict[str, Any]] = {
    "anyOf": [{"type": "string", "pattern": "^[0-9.]+$"}, {"type": "integer", "maximum": 5}]
}

MATRICES: Final[dict[str, Matrix]] = {
    "tree": matrix_of(
        {
            "Node": {
                "name": row("R O", NAME),
                "next": row("O O", None, "Node"),
                "kids": many("O O", "Node"),
            }
        }
    ),
    "mutual recursion": matrix_of(
        {
            "Order": {"items": many("R O", "Item")},
            "Item": {
                "name": row("R R", NAME),
                "parts": many("O O", "Part"),
                "part": row("O O", None, "Part"),
            },
            "Part": {
                "of": row("R O", None, "Item"),
                "size": row("P O", COUNT),
                "odd": row("- -", NAME),
            },
        }
    ),
    "discriminator": matrix_of(
        {
            "Garage": {
                "car": row("R O", None, "Car", "Bike", discriminator="@type", mapping=CARS),
                "cars": many("O O", "Car", "Bike", discriminator="@type", mapping=CARS),
            },
            **VEHICLES,
        }
    ),
    "optional discriminator": matrix_of(
        {
            "Garage": {
                "car": row("O O", None, "Car", "Bike", discriminator="@type", mapping=CARS),
                "cars": many("R O", "Bike", "Car", discriminator="@type", mapping=CARS),
            },
            **LOOSE,
        }
    ),
    "own members": matrix_of(
        {
            "Order": {"who": row("R O", None, "Person", "Company", "Reference")},
            "Person": {
                "name": row("R O", NAME),
                "age": row("O O", COUNT),
                "boss": row("O O", None, "Person", "Company"),
            },
            "Company": {
                "name": row("R O", NAME),
                "size": row("O R", COUNT),
                "staff": many("O O", "Person"),
            },
            "Reference": {"name": row("O O", NAME), "id": row("R R", NAME)},
        }
    ),
    "nothing tells": matrix_of(
        {
            "Order": {
                "size": row("R O", None, "Small", "Large"),
                "sizes": many("O O", "Large", "Small"),
            },
            "Small": {"x": row("R O", COUNT), "name": row("O -", NAME)},
            "Large": {"x": row("O O", NAME), "name": row("R P", NAME)},
        }
    ),
    "expressions": matrix_of(
        {
            "Rule": {"test": row("R O", None, "And", "Or", "Not", "Leaf")},
            "And": {"all": many("R R", "And", "Or", "Not", "Leaf")},
            "Or": {"any": many("R R", "And", "Or", "Not", "Leaf")},
            "Not": {"not": row("R R", None, "And", "Or", "Not", "Leaf")},
            "Leaf": {"x": row("R R", NAME), "size": row("O O", COUNT)},
        }
    ),
    "scalars": matrix_of(
        {
            "Order": {
                "x": row("R O", {"type": ["string", "integer"], "maxLength": 4, "minimum": 3}),
                "name": row("O O", {"type": ["string", "boolean"], "nullable": True}),
                "code": row("O O", {"type": "string", "pattern": "^[a-z]+$"}),
                "ip": row("R O", IPS),
                "ips": row("O O", {"type": "array", "maxItems": 2, "items": IPS}),
                "odd": row("O O", {**IPS, "nullable": True}),
                "size": row("O O", {"anyOf": [{"type": "string", "enum": ["a", "x"]}, COUNT]}),
                "list": row("R O", {"anyOf": [NAME, {"type": "array", "items": NAME}]}),
            }
        }
    ),
    "scalars and entities": matrix_of(
        {
            "Order": {
                "who": row(
                    "R O", {"type": ["string", "object"], "maxLength": 4}, "Car", is_union=True
                ),
                "what": row(
                    "O O",
                    {"type": ["object", "integer"], "nullable": True},
                    "Car",
                    "Bike",
                    discriminator="@type",
                    mapping=CARS,
                ),
                "ips": row(
                    "O O",
                    {"type": "array", "items": {"anyOf": [*IPS["anyOf"], {"type": "object"}]}},
                    "Car",
                    "Order",
                    is_union=True,
                ),
            },
            **VEHICLES,
        }
    ),
    "conditions": matrix_of(
        {
            "Node": {
                "name": row("O O", NAME),
                "x": row("O/PD O/PD", NAME),
                "size": row("O/PD O/PD", COUNT),
                "kids": many("O O", "Node"),
                "leaf": row("O O", None, "Leaf", "Node"),
                "one": row("O O", None, "Leaf"),
            },
            "Leaf": {
                "y": row("R O", NAME),
                "odd": row("O/PD PD", NAME),
                "kids": many("O O", "Leaf"),
            },
        },
        [
            at_least_one("Node", ["x", "size"]),
            at_least_one(
                "Node", ["size", "x"], When(of="root", field="name", test="exists", value=True)
            ),
            at_least_one(
                "Node", ["kids", "x"], When(of="parent", field="name", test="equals", value="abc")
            ),
            at_least_one(
                "Leaf", ["odd"], When(of="root", field="name", test="in", value=["abc", "x"])
            ),
            at_least_one(
                "Leaf", ["y"], When(of="parent", field="kids", test="exists", value=False)
            ),
        ],
    ),
}
