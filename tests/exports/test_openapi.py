"""The document that carries the rules: where they are put, in which words, with which examples."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from openapi_schema_validator import OAS30WriteValidator
from openapi_spec_validator import OpenAPIV30SpecValidator

from tests.support.oracle import PROCESSES
from tests.support.order_spec import SPECS, payload
from tests.support.small_spec import OPENAPI, Edit, loaded
from tests.support.specs import ALL, Case
from ttrules.codes import ANNOTATION, REQUIREMENTS
from ttrules.examples.exchanges import sample
from ttrules.examples.generate import NoExample, example
from ttrules.exports.openapi.document import document
from ttrules.exports.openapi.schemas import request_schema
from ttrules.rulebook import Rulebook
from ttrules.spec.compiler import compile_schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
#: Values of every kind, to be put in the place of what is valid.
ODD: list[Any] = [
    None,
    "",
    " ",
    "x",
    "2026-01-01",
    0,
    7,
    -1,
    1.5,
    10**9,
    True,
    [],
    ["x"],
    [None],
    {},
]
PARCEL = {"$ref": "#/components/schemas/Parcel"}
#: Operations of every kind on parcels, for the small spec.
PATHS = """
paths:
  /parcel:
    parameters: []
    get:
      responses:
        "200": {content: {application/json: {schema: {type: array, items: PARCEL}}}}
    post:
      requestBody: {$ref: "#/components/requestBodies/New"}
      responses:
        "201": {$ref: "#/components/responses/One"}
        "400": {$ref: "#/components/responses/Wrong"}
  /parcel/{id}:
    get: {responses: {"200": {content: {application/json: {schema: PARCEL}}}}}
    put: {requestBody: {content: {a/json: {schema: PARCEL}}}}
    patch:
      requestBody:
        content:
          application/json: {schema: PARCEL, example: {kind: letter}}
          application/merge-patch+json: {schema: PARCEL}
          application/json-patch+json: {schema: {type: array}}
      responses:
        "200": {$ref: "#/components/responses/One"}
        "400": {$ref: "elsewhere.yaml#/Wrong"}
  /label:
    post:
      requestBody: {content: {application/json: {schema: {type: object}}}}
      responses:
        "200": {content: {text/plain: {}}}
        "400": {$ref: "#/components/responses/Wrong"}
components:
  requestBodies:
    New: {content: {application/json: {schema: PARCEL, examples: {letterAdd: {value: mine}}}}}
  headers:
    Trace: {x-every-answer: true, schema: {type: string}}
    Tongue: {x-every-refusal: true, schema: {type: string}}
    Other: {schema: {type: string}}
  parameters:
    Tongues: {x-every-request: true, name: Tongues, in: header, schema: {type: string}}
    Page: {name: page, in: query, schema: {type: string}}
  responses:
    One: {content: {application/json: {schema: PARCEL}}}
    Wrong:
      content:
        application/json: {schema: {$ref: "#/components/schemas/Wrong"}, example: {status: 400}}
        text/plain: {schema: {type: string}, example: It is wrong.}
  schemas:
    Wrong: {properties: {violations: {type: array, items: {}}}}
""".replace("PARCEL", json.dumps(PARCEL))


def parcels(folder: Path, *edits: Edit, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the document of the small spec with operations, and its rules put in."""
    spec = loaded(folder, *edits, without=without)
    written = yaml.safe_load((folder / "openapi.yaml").read_text("utf-8"))
    more = yaml.safe_load(PATHS)
    written["paths"] = more["paths"]
    more["components"]["schemas"].update(written["components"]["schemas"])
    written["components"] = more["components"]
    before = json.dumps(written)
    made = document(written, Rulebook(spec, compile_schemas(spec)))
    assert json.dumps(written) == before
    return made


@pytest.fixture
def made(tmp_path: Path) -> dict[str, Any]:
    """Give the document of the small spec."""
    return parcels(tmp_path)


def variants(value: Any) -> Iterator[Any]:
    """Yield what a value becomes when one thing in it is taken away or made odd."""
    yield from ODD
    if isinstance(value, dict):
        for name, member in value.items():
            yield {key: each for key, each in value.items() if key != name}
            yield from ({**value, name: each} for each in variants(member))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from ([*value[:index], each, *value[index + 1 :]] for each in variants(item))
        yield [*value, *value]


class TestDialect:
    """A schema says the same in the dialect of OpenAPI 3.0, and tells it in words."""

    @pytest.mark.parametrize("case", ALL, ids=str)
    def test_verdict(self, case: Case) -> None:
        """A reader of that dialect finds valid what a book finds valid, for three specs."""
        read = OAS30WriteValidator(request_schema(case.book, case.process, "3.0.3"))
        try:
            payload = example(case.book, case.process, "full")
        except NoExample:
            payload = {}
        seen = [payload, *islice(variants(payload), None, None, 11)]
        closed = [{**payload, name: 1} for name in case.schema["properties"]]
        for each in [*seen, *closed]:
            valid = case.book.is_valid(each, case.process, unsupported="warn")
            assert read.is_valid(each) == valid, each

    @pytest.mark.parametrize("case", ALL, ids=str)
    def test_words(self, case: Case) -> None:
        """Each member says what its code asks for; what is prohibited is read only as well."""
        shape = request_schema(case.book, case.process, "3.0.3")
        assert shape["x-ttrules"]["process"] == case.process
        assert "$schema" not in shape
        for member in members(shape):
            code = member[ANNOTATION]["requirement"]
            assert member.get("readOnly", False) is (code == "P")
            assert (REQUIREMENTS[code] in member.get("description", "")) or code not in "RP-"

    def test_condition(self) -> None:
        """A condition is described by its sentence; a missing condition is not mentioned."""
        case = next(each for each in ALL if each.process == "Complaint Add")
        entity = request_schema(case.book, case.process, "3.0.3")["properties"]["relatedEntity"]
        told = entity["items"]["properties"]
        assert told["id"]["description"].endswith(
            "In RelatedEntity, send at least one of id, externalId."
        )
        assert (
            told["provisioningStatus"]["description"]
            == "How far the provisioning of the entity is."
        )

    def test_undeclared(self, tmp_path: Path) -> None:
        """A cell that waits for its condition says that one decides."""
        spec = loaded(tmp_path)
        book = Rulebook(spec, compile_schemas(spec))
        stop = request_schema(book, "Letter Change", "3.0.3")["properties"]["stops"]["items"]
        assert stop["properties"]["code"]["description"] == REQUIREMENTS["PD"]

    def test_tests_of_lists(self, tmp_path: Path) -> None:
        """A condition that reads the items of a list has the same verdict."""
        book, draw = SPECS["one process"].load(tmp_path), Random(1)
        read = OAS30WriteValidator(request_schema(book, "Order", "3.0.3"))
        verdicts = set()
        for each in (payload("Order", draw) for _ in range(200)):
            verdicts.add(valid := book.is_valid(each, "Order", unsupported="warn"))
            assert read.is_valid(each) == valid, each
        assert verdicts == {True, False}

    def test_later(self) -> None:
        """OpenAPI 3.1 takes the compiled schema as it stands, but for what is told beside it."""
        case = ALL[-1]
        shape = request_schema(case.book, case.process, "3.1.0")
        for member in members(shape):
            member.pop("description", None)
            member.pop("readOnly", None)
        plain = case.book.schema(case.process)
        for member in members(plain):
            member.pop("description", None)
        del shape["x-ttrules"]["process"], plain["$schema"]
        assert shape == plain


def members(shape: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every member of the schema of a process."""
    for member in shape.get("properties", {}).values():
        if "cell" in member.get(ANNOTATION, {}):
            yield member
            yield from members(member.get("items", member))


class TestBodies:
    """Which process rules a body follows from its shape and from the method."""

    def test_add(self, made: dict[str, Any]) -> None:
        """A POST of the root is ruled by the processes that add, told apart by their field."""
        operation = made["paths"]["/parcel"]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        refs = {name: f"#/components/schemas/{name}" for name in ("LetterAdd", "BoxAdd")}
        assert content["schema"] == {
            "oneOf": [{"$ref": each} for each in refs.values()],
            "discriminator": {
                "propertyName": "kind",
                "mapping": {"letter": refs["LetterAdd"], "box": refs["BoxAdd"]},
            },
        }
        assert operation[ANNOTATION] == {"processes": ["Letter Add", "Box Add"]}

    def test_change(self, made: dict[str, Any]) -> None:
        """A PATCH of it by those that change, in every media type but a JSON Patch."""
        content = made["paths"]["/parcel/{id}"]["patch"]["requestBody"]["content"]
        ref = {"$ref": "#/components/schemas/LetterChange"}
        assert [each["schema"] for each in content.values()] == [ref, ref, {"type": "array"}]

    def test_others(self, made: dict[str, Any]) -> None:
        """Other bodies and other methods are left as they were."""
        put = made["paths"]["/parcel/{id}"]["put"]
        assert put["requestBody"] == {"content": {"a/json": {"schema": PARCEL}}}
        label = made["paths"]["/label"]["post"]
        assert label["requestBody"]["content"]["application/json"] == {"schema": {"type": "object"}}
        assert label["responses"]["400"] == {"$ref": "#/components/responses/Wrong"}
        assert (
            made["components"]["requestBodies"]["New"]["content"]["application/json"]["schema"]
            == PARCEL
        )

    def test_not_selected(self, tmp_path: Path) -> None:
        """Where a body need not say which process it is for, any of them may rule it."""
        optional = Edit("requirements", "kind: [R, O, R]", "kind: [O, O, O]")
        made = parcels(tmp_path, optional)
        body = made["paths"]["/parcel"]["post"]["requestBody"]["content"]["application/json"]
        assert [*body["schema"]] == ["anyOf"]

    def test_no_selection(self, tmp_path: Path) -> None:
        """Without a choice of process no operation is ruled, and there are shapes all the same."""
        made = parcels(tmp_path, without=("interpretation", "lifecycle"))
        assert made["components"]["schemas"].keys() >= {"LetterAdd", "LetterChange", "BoxAdd"}
        post = made["paths"]["/parcel"]["post"]
        assert post["requestBody"] == {"$ref": "#/components/requestBodies/New"}
        assert post["responses"]["201"] == {"$ref": "#/components/responses/One"}
        assert ANNOTATION not in post

    def test_name_taken(self, tmp_path: Path) -> None:
        """A shape of the document's own keeps its name."""
        taken = Edit("openapi", "    Kind: {", "    BoxAdd: {type: string}\n    Kind: {")
        made = parcels(tmp_path, taken)
        assert made["components"]["schemas"]["BoxAdd"] == {"type": "string"}
        body = made["paths"]["/parcel"]["post"]["requestBody"]["content"]["application/json"]
        assert body["schema"]["oneOf"][1] == {"$ref": "#/components/schemas/BoxAddRequest"}

    @pytest.mark.parametrize("paths", ["paths: {}", "paths:"])
    def test_no_paths(self, tmp_path: Path, paths: str) -> None:
        """A document of shapes alone gets the shapes of the processes."""
        spec = loaded(tmp_path)
        written = yaml.safe_load(OPENAPI.replace("paths: {}", paths))
        made = document(written, Rulebook(spec, compile_schemas(spec)))
        assert "LetterChange" in made["components"]["schemas"]

    def test_circle(self, tmp_path: Path) -> None:
        """References that go round, or nowhere, are left alone."""
        spec = loaded(tmp_path)
        written = yaml.safe_load(OPENAPI)
        round_ = {"$ref": "#/components/responses/Round"}
        gone = {"$ref": "#/components/responses/Gone"}
        written["components"]["responses"] = {"Round": round_}
        written["paths"] = {"/x": {"get": {"responses": {"200": round_, "201": gone}}}}
        made = document(written, Rulebook(spec, compile_schemas(spec)))
        assert made["paths"] == written["paths"]


class TestShapes:
    """The shapes of the entities state the requirement of each member for each process."""

    def test_codes(self, made: dict[str, Any]) -> None:
        """By code for programs, in words for people; nothing is said of what is optional."""
        told = made["components"]["schemas"]["Parcel"]["properties"]
        assert told["kind"] == {
            "allOf": [{"$ref": "#/components/schemas/Kind"}],
            "description": "Required in Letter Add, Box Add.",
            ANNOTATION: {
                "cell": "Parcel.kind",
                "requirements": {"Letter Add": "R", "Letter Change": "O", "Box Add": "R"},
            },
        }
        assert told["label"].keys() == {"type", "pattern", ANNOTATION}
        assert "readOnly" not in told["state"]
        width = made["components"]["schemas"]["Size"]["properties"]["width"]
        assert width["description"] == "Required in every process."

    def test_prohibited(self, tmp_path: Path) -> None:
        """What no process takes is read only."""
        never = Edit("requirements", "label: [O, O, O]", "label: [P, P, P]")
        told = parcels(tmp_path, never)["components"]["schemas"]["Parcel"]["properties"]
        assert told["label"]["readOnly"] is True

    def test_everywhere(self, made: dict[str, Any]) -> None:
        """What is marked as being in every answer, refusal or request is there, and unmarked."""
        kinds = {"headers": ("Trace", "Tongue"), "parameters": ("Tongues",)}
        told = {
            name: {"$ref": f"#/components/{kind}/{name}"}
            for kind, names in kinds.items()
            for name in names
        }
        tongues = told.pop("Tongues")
        operations = [
            operation
            for item in made["paths"].values()
            for name, operation in item.items()
            if name != "parameters"
        ]
        assert all(operation["parameters"][-1] == tongues for operation in operations)
        shared = made["components"]["responses"]
        answers = [
            (status[0] == "4", shared.get(answer.get("$ref", "").rpartition("/")[2], answer))
            for operation in operations
            for status, answer in operation.get("responses", {}).items()
            if not answer.get("$ref", "").startswith("elsewhere")
        ]
        assert {is_refusal for is_refusal, _ in answers} == {True, False}
        for is_refusal, answer in answers:
            headers = told if is_refusal else {"Trace": told["Trace"]}
            assert answer["headers"] == headers
        for kind, names in kinds.items():
            for name in names:
                assert not [key for key in made["components"][kind][name] if key.startswith("x-")]


class TestExamples:
    """Examples are made from the rules, and judged."""

    def test_requests(self, made: dict[str, Any]) -> None:
        """Each process has one, behind those that were written, which keep their names."""
        new = made["paths"]["/parcel"]["post"]["requestBody"]["content"]["application/json"]
        assert [*new["examples"]] == ["letterAdd", "boxAdd"]
        assert new["examples"]["letterAdd"] == {"value": "mine"}
        change = made["paths"]["/parcel/{id}"]["patch"]["requestBody"]["content"]
        assert [*change["application/json"]["examples"]] == ["example", "letterChange"]
        assert "example" not in change["application/json"]
        operations = change["application/json-patch+json"]["examples"]["letterChange"]["value"]
        assert {each["op"] for each in operations} <= {"add", "replace"}

    def test_answers(self, made: dict[str, Any]) -> None:
        """An answer that is the root shape, or a list of it, shows tickets that are stored."""
        paths = made["paths"]
        one = paths["/parcel/{id}"]["get"]["responses"]["200"]["content"]["application/json"]
        tickets = [each["value"] for each in one["examples"].values()]
        assert [each["state"] for each in tickets] == ["posted", "posted"]
        listed = paths["/parcel"]["get"]["responses"]["200"]["content"]["application/json"]
        assert listed["examples"]["parcels"]["value"] == tickets
        assert (
            "examples" not in made["components"]["responses"]["One"]["content"]["application/json"]
        )

    def test_refusals(self, made: dict[str, Any]) -> None:
        """What breaks rules is shown where an answer's shape tells findings, behind its words."""
        answer = made["paths"]["/parcel"]["post"]["responses"]["400"]["content"]
        assert answer["text/plain"]["example"] == "It is wrong."
        shown = answer["application/json"]["examples"]
        assert [*shown] == ["letterAdd", "boxAdd"]
        for each in shown.values():
            assert each["value"]["status"] == 400
            assert {found["code"] for found in each["value"]["violations"]} >= {"prohibited"}
            assert json.dumps(each["x-ttrules"]["request"], indent=2) in each["description"]
        elsewhere = made["paths"]["/parcel/{id}"]["patch"]["responses"]["400"]
        assert elsewhere == {"$ref": "elsewhere.yaml#/Wrong"}
        wrong = made["components"]["responses"]["Wrong"]["content"]["application/json"]
        assert wrong["example"] == {"status": 400}

    def test_written_refusal(self) -> None:
        """Of several examples the one of broken rules gives way to those that have findings."""
        post = TestShipped.DOCUMENT["paths"]["/troubleTicket"]["post"]["responses"]["400"]
        shared = TestShipped.DOCUMENT["components"]["responses"]["BadRequest"]
        before, after = (each["content"]["application/json"]["examples"] for each in (shared, post))
        assert before.keys() - after.keys() == {"requirementsNotMet"}
        words = before["requirementsNotMet"]["value"]
        for each in (shown for name, shown in after.items() if name not in before):
            assert {**words, "violations": each["value"]["violations"]} == each["value"]

    def test_nothing_to_break(self, tmp_path: Path) -> None:
        """Where nothing can be wrong no refusal is shown."""
        edits = [
            Edit("requirements", "state: [P, O, P]", "state: [O, O, P]"),
            Edit(
                "openapi",
                "state: {type: string, enum: [posted, lost, found]}",
                "state: {type: string}",
            ),
            Edit("requirements", "stops: [O, O, O]", 'stops: ["-", O, O]'),
        ]
        made = parcels(tmp_path, *edits, without=("lifecycle",))
        answer = made["paths"]["/parcel"]["post"]["responses"]["400"]["content"]
        assert [*answer["application/json"]["examples"]] == ["boxAdd"]

    def test_no_example(self, tmp_path: Path) -> None:
        """A process that nothing meets has its shape and no example."""
        never = Edit(
            "openapi", "width: {type: integer}", "width: {type: integer, enum: [9], maximum: 3}"
        )
        made = parcels(tmp_path, never)
        new = made["paths"]["/parcel"]["post"]["requestBody"]["content"]["application/json"]
        assert len(new["schema"]["oneOf"]) == 2
        assert [*new["examples"]] == ["letterAdd"]

    def test_no_change(self, tmp_path: Path) -> None:
        """Where a ticket accepts no change none is shown."""
        rows = {
            "state: [P, O, P]": "state: [P, P, P]",
            "label: [O, O, O]": "label: [O, P, O]",
            "size: [O, O, R]": "size: [O, P, R]",
            "stops: [O, O, O]": "stops: [O, P, O]",
        }
        made = parcels(tmp_path, *(Edit("requirements", *each) for each in rows.items()))
        patch = made["paths"]["/parcel/{id}"]["patch"]["requestBody"]["content"]
        assert patch["application/merge-patch+json"].keys() == {"schema"}

    def test_no_ticket(self) -> None:
        """A change of tickets that nobody adds here is shown without what comes of it."""
        book = Rulebook.read(ROOT / "server" / "rules")
        for process in book.processes():
            made = sample(book, process)
            assert made is not None
            assert made.ticket is None
            assert not {"href", "@type"} & made.request.keys()
            assert book.is_valid(made.request, process)
            grown = book.matrix.append_only["TroubleTicket"]
            assert {each["path"] for each in made.operations} == {
                f"/{name}/-" if name in grown else f"/{name}" for name in made.request
            }
            assert not made.report.valid

    def test_always_the_same(self, tmp_path: Path) -> None:
        """The same spec gives the same document."""
        assert json.dumps(parcels(tmp_path)) == json.dumps(parcels(tmp_path))


class TestShipped:
    """The document of the Trouble Ticket API."""

    DOCUMENT: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))

    def test_valid(self) -> None:
        """It is OpenAPI 3.0."""
        OpenAPIV30SpecValidator(self.DOCUMENT).validate()

    def test_processes(self) -> None:
        """Each process has its shape, an example, and an answer to a broken one."""
        post = self.DOCUMENT["paths"]["/troubleTicket"]["post"]
        patch = self.DOCUMENT["paths"]["/troubleTicket/{troubleTicketId}"]["patch"]
        for operation, end in ((post, "Add"), (patch, "Change")):
            processes = [name.replace(" ", "") for name in PROCESSES if name.endswith(end)]
            names = {name[0].lower() + name[1:] for name in processes}
            for content in operation["requestBody"]["content"].values():
                assert names <= content["examples"].keys()
            answers = operation["responses"]
            assert answers["400"]["content"]["application/json"]["examples"].keys() >= names
            good = next(each for each in answers if each.startswith("2"))
            assert answers[good]["content"]["application/json"]["examples"].keys() == names

    def test_as_written(self) -> None:
        """Events, security and everything else without a rule is unchanged."""
        written = yaml.safe_load((ROOT / "spec" / "openapi.yaml").read_text("utf-8"))
        for key in ("info", "servers", "security", "tags"):
            assert self.DOCUMENT[key] == written[key]
        assert (
            self.DOCUMENT["components"]["securitySchemes"]
            == written["components"]["securitySchemes"]
        )
        callbacks = self.DOCUMENT["paths"]["/hub"]["post"]["callbacks"]
        assert callbacks == written["paths"]["/hub"]["post"]["callbacks"]
