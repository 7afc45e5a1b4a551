"""What is generated is what the spec says, byte for byte; the spec says what the document says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import jsonschema_rs
import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator

import ttrules
from tests.support.oracle import MATRIX, PROCESSES, shape_of
from ttrules.exports.openapi.document import openapi_of
from ttrules.rulebook import shipped
from ttrules.spec.compiler import compile_schemas, to_bytes
from ttrules.spec.directory import differences, files_of
from ttrules.spec.load import load_spec
from ttrules.spec.yaml_source import form

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "ttrules" / "schemas"
NAMES = ("openapi", "requirements", "interpretation", "lifecycle")
PATHS = {name: ROOT / "spec" / f"{name}.yaml" for name in NAMES}
SPEC = load_spec(**PATHS)
#: The provider's side has shapes and lifecycle in common with the operators'.
BACKOFFICE_PATHS = {
    **PATHS,
    **{
        name: ROOT / "spec" / f"backoffice-{name}.yaml"
        for name in ("requirements", "interpretation")
    },
}
SLUGS = [process.slug for process in SPEC.processes]

#: What the document lists: service, operation, URI.
OPERATIONS = {
    ("post", "/troubleTicket"),
    ("get", "/troubleTicket"),
    ("get", "/troubleTicket/{troubleTicketId}"),
    ("patch", "/troubleTicket/{troubleTicketId}"),
    ("post", "/hub"),
    ("delete", "/hub"),
}
EVENTS = [
    "TroubleTicketAttributeValueChangeEvent",
    "TroubleTicketStatusChangeEvent",
    "TroubleTicketResolvedEvent",
    "TroubleTicketInformationRequiredEvent",
]
FILTERS = [
    "id",
    "ticketType",
    "ticketSubType",
    "correlationId",
    "name",
    "resolutionDate",
    "statusChangeDate",
    "statusChangeReason",
    "lastUpdate",
    "creationDate",
]
#: What its page on filtering has beside filters.
PAGING = ["fields", "offset", "limit"]


@pytest.fixture(scope="module")
def openapi() -> dict[str, Any]:
    """Give the OpenAPI document."""
    document: dict[str, Any] = yaml.safe_load(PATHS["openapi"].read_text("utf-8"))
    return document


class TestBytes:
    """What is committed and shipped is what `make schemas` makes."""

    def test_schemas(self) -> None:
        """All that lies there is what spec/ compiles to: book, schemas, and the document."""
        files = files_of(SPEC)
        assert sorted(files) == sorted(["book.json", *(f"{slug}.json" for slug in SLUGS)])
        assert differences(files, str(SHIPPED)) == {}
        files["openapi.json"] = openapi_of(ROOT / "spec" / "openapi.yaml", SPEC)
        assert differences(files, str(SHIPPED)) == {}
        assert {path.name for path in SHIPPED.glob("*.json")} == files.keys()

    def test_backoffice(self) -> None:
        """So are the rules of the provider's side, which the server has."""
        files = files_of(load_spec(**BACKOFFICE_PATHS))
        assert differences(files, str(ROOT / "server" / "rules")) == {}
        assert {path.name for path in (ROOT / "server" / "rules").iterdir()} == files.keys()

    def test_forms(self) -> None:
        """The forms that are shipped are those of spec/schemas/."""
        ours = {path.name: path.read_bytes() for path in (ROOT / "spec" / "schemas").iterdir()}
        shipped_forms = {path.name: path.read_bytes() for path in (SHIPPED / "form").iterdir()}
        assert shipped_forms == ours
        assert ours.keys() == {f"{name}.schema.json" for name in (*NAMES, "profile")}

    def test_serialisation(self) -> None:
        """A document is UTF-8, indented by two, and ends in one newline."""
        assert to_bytes({"ł": [1]}) == '{\n  "ł": [\n    1\n  ]\n}\n'.encode()

    def test_again(self) -> None:
        """The same spec gives the same bytes again."""
        assert files_of(load_spec(**PATHS)) == files_of(SPEC)

    @pytest.mark.parametrize("seed", ["0", "1", "4242"])
    def test_elsewhere(self, seed: str, tmp_path: Path) -> None:
        """So it does in another process, with another order of hashes, and in another directory."""
        program = (
            "import sys; from ttrules.spec.load import load_spec;"
            "from ttrules.spec.directory import *;"
            "publish(files_of(load_spec(*sys.argv[2:])), sys.argv[1])"
        )
        subprocess.run(
            [sys.executable, "-c", program, "out", *map(str, PATHS.values())],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "LC_ALL": "C"},
            check=True,
        )
        made = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
        assert made == files_of(SPEC)

    def test_spec_is_left_alone(self) -> None:
        """To compile changes nothing of what was read, so that one Spec serves many times."""
        before = deepcopy(SPEC.to_json())
        compile_schemas(SPEC)
        assert SPEC.to_json() == before


def nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of a document."""
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from nodes(each)


@pytest.mark.parametrize("slug", SLUGS)
class TestSchemas:
    """A compiled schema is JSON Schema 2020-12, flat and self-contained."""

    def test_valid(self, slug: str) -> None:
        """Its metaschema holds, by two implementations."""
        schema = shipped().schema(slug)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        jsonschema.Draft202012Validator.check_schema(schema)
        assert jsonschema_rs.meta.is_valid(schema)

    def test_flat(self, slug: str) -> None:
        """It refers to nothing, defines nothing to be referred to, and merges nothing."""
        for node in nodes(shipped().schema(slug)):
            assert not node.keys() & {"$ref", "$dynamicRef", "$defs", "definitions", "$id"}

    def test_cells(self, slug: str) -> None:
        """Each property names its cell and the code that the matrix has there."""
        column = SLUGS.index(slug)
        seen = dict(cells(shipped().schema(slug)))
        assert seen == {
            f"{entity}.{field}": codes[column]
            for entity, rows in MATRIX["entities"].items()
            for field, codes in rows.items()
            if any(cell.startswith(f"{entity}.") for cell in seen)
        }
        assert (
            seen.items()
            >= {
                f"TroubleTicket.{field}": codes[column]
                for field, codes in MATRIX["entities"]["TroubleTicket"].items()
            }.items()
        )

    def test_required(self, slug: str) -> None:
        """What is required in an object is what its cells say, and no more."""
        for node in nodes(shipped().schema(slug)):
            if "properties" in node and "entity" in node.get("x-ttrules", {}):
                assert node.get("required", []) == [
                    name
                    for name, each in node["properties"].items()
                    if each["x-ttrules"]["requirement"] == "R"
                ]

    def test_order(self, slug: str) -> None:
        """Properties are in the order of the rows."""
        for node in nodes(shipped().schema(slug)):
            if "properties" in node and "entity" in node.get("x-ttrules", {}):
                assert list(node["properties"]) == list(
                    MATRIX["entities"][node["x-ttrules"]["entity"]]
                )


def cells(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the cell of each property, and its code, however deep it stands."""
    for name, each in schema["properties"].items():
        note = each["x-ttrules"]
        assert note["cell"].endswith(f".{name}")
        yield note["cell"], note["requirement"]
        below = each.get("items", each)
        if "properties" in below:
            yield from cells(below)


class TestMatrix:
    """The matrix is the document's."""

    def test_cells(self) -> None:
        """`ttrules.cell` returns the code of the matrix for every cell."""
        told = {
            (entity, field): [
                ttrules.cell(entity, field, process).requirement for process in PROCESSES
            ]
            for entity, rows in MATRIX["entities"].items()
            for field in rows
        }
        assert told == {
            (entity, field): codes
            for entity, rows in MATRIX["entities"].items()
            for field, codes in rows.items()
        }
        assert ttrules.processes() == tuple(PROCESSES)

    def test_backoffice(self) -> None:
        """The provider's matrix has the same rows; `-` stands where operators have it."""
        theirs = load_spec(**BACKOFFICE_PATHS).entities
        assert {entity: list(rows) for entity, rows in theirs.items()} == {
            entity: list(rows) for entity, rows in MATRIX["entities"].items()
        }
        for entity, rows in theirs.items():
            for field, row in rows.items():
                for process, code in row.requirements.items():
                    column = PROCESSES.index(process.removeprefix("Provider "))
                    assert (code == "-") is (MATRIX["entities"][entity][field][column] == "-")

    def test_types(self) -> None:
        """Each field is told with its type: a name, [] where there are many, None where none."""
        told = {
            field: ttrules.cell("TroubleTicket", field, PROCESSES[0]).type
            for field in ("attachment", "channel", "priority", "creationDate", "name",
                          "resolutionPaymentCode")
        }  # fmt: skip
        assert told == {
            "attachment": "AttachmentRefOrValue[]",
            "channel": "ChannelRef",
            "priority": "integer",
            "creationDate": "date-time",
            "name": "string",
            "resolutionPaymentCode": None,
        }

    def test_statuses(self) -> None:
        """The lifecycle has the statuses that the shape lists, and no others."""
        assert SPEC.lifecycle is not None
        statuses = shape_of("TroubleTicket", "status")["enum"]
        assert sorted(SPEC.lifecycle["moves"]) == sorted(statuses)

    def test_events(self) -> None:
        """The lifecycle raises the four events of the document."""
        assert SPEC.lifecycle is not None
        assert sorted(SPEC.lifecycle["events"]) == sorted(EVENTS)


class TestOpenAPI:
    """The OpenAPI document is a valid one, and has what the document lists."""

    def test_valid(self, openapi: dict[str, Any]) -> None:
        """It meets OpenAPI 3.0, its examples and defaults included."""
        OpenAPIV30SpecValidator(openapi).validate()

    def test_version(self, openapi: dict[str, Any]) -> None:
        """Its version is the document's."""
        assert openapi["info"]["version"] == SPEC.version == "1.6.0"
        assert openapi["servers"] == [{"url": "/api/openapi/troubleTicketManagement/v1"}]

    def test_operations(self, openapi: dict[str, Any]) -> None:
        """It has the operations that the document lists; any other one is marked as ours."""
        verbs = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
        theirs = {
            (verb, path)
            for path, item in openapi["paths"].items()
            for verb in item.keys() & verbs
            if not (item.get("x-ours") or item[verb].get("x-ours"))
        }
        assert theirs == OPERATIONS

    def test_filters(self, openapi: dict[str, Any]) -> None:
        """Tickets are filtered by the ten fields; any other filter is marked as ours."""
        parameters = openapi["components"]["parameters"]
        listed = [
            parameters[each["$ref"].rpartition("/")[2]]
            for each in openapi["paths"]["/troubleTicket"]["get"]["parameters"]
        ]
        theirs = [each["name"] for each in listed if not each.get("x-ours")]
        assert theirs == [*FILTERS, *PAGING]

    def test_event_callbacks(self, openapi: dict[str, Any]) -> None:
        """Each event is sent to the callback, under its name, in its shape."""
        callbacks = openapi["paths"]["/hub"]["post"]["callbacks"]
        assert list(callbacks) == EVENTS
        for event, addresses in callbacks.items():
            ((address, item),) = addresses.items()
            assert address == f"{{$request.body#/callback}}/{event}"
            shape = item["post"]["requestBody"]["content"]["application/json"]["schema"]
            assert shape == {"$ref": f"#/components/schemas/{event}"}
            assert event in openapi["components"]["schemas"]

    def test_no_requirements(self, openapi: dict[str, Any]) -> None:
        """The shapes that the matrix rules say of no member that it is required."""
        for entity in MATRIX["entities"]:
            assert "required" not in openapi["components"]["schemas"][entity]


@pytest.mark.parametrize("name", NAMES)
def test_forms(name: str) -> None:
    """Each form is a valid JSON Schema, and a reader of other tools finds the spec to meet it."""
    jsonschema.Draft202012Validator.check_schema(form(name))
    document = yaml.safe_load(PATHS[name].read_text("utf-8"))
    jsonschema.Draft202012Validator(form(name)).validate(json.loads(json.dumps(document)))
