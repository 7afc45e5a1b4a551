"""Both exporters take any document: whatever OpenAPI allows gives files, and the rules in them."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator

from tests.support.shape_books import book_of
from ttrules.exports.openapi.bundle import bundled
from ttrules.exports.openapi.document import document
from ttrules.exports.openapi.operations import coverage
from ttrules.exports.postman.files import files_of
from ttrules.rulebook import Rulebook
from ttrules.spec.compiler import compile_schemas
from ttrules.spec.load import load_spec

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDER = {"$ref": "#/components/schemas/Order"}
BASE = """
openapi: 3.0.3
info: {title: Orders, version: "1"}
servers: [{url: /v1}]
tags: [{name: orders}]
paths:
  /orders:
    post:
      tags: [orders]
      requestBody: {content: {application/json: {schema: ORDER}}}
      responses: {"201": {description: made, content: {application/json: {schema: ORDER}}}}
components:
  schemas:
    Order:
      type: object
      properties:
        kind: {type: string, enum: [plain]}
        x: {type: string, maxLength: 9}
        note: {allOf: [{$ref: "#/components/schemas/Note"}]}
    Note: {type: object, properties: {text: {type: string}}}
"""
#: The shapes of the base, in the form that a spec has; they are the same in every case.
SHAPES = BASE.replace(
    '{allOf: [{$ref: "#/components/schemas/Note"}]}', "{$ref: '#/components/schemas/Note'}"
)
MATRIX = """
matrix: 1
root: Order
processes: [Order Add, Order Change]
entities:
  Order: {kind: [R, O], x: [O, P], note: [O, "-"]}
  Note: {text: [R, O]}
"""
INTERPRETATION = """
interpretation: 1
selection:
  field: kind
  reason: It has one.
  processes:
    Order Add: {operation: add, value: plain}
    Order Change: {operation: change, value: plain}
"""
BODY = "{content: {application/json: {schema: ORDER}}}"
DONE = "{description: done, content: {application/json: {schema: ORDER}}}"
ID = "[{name: id, in: path, required: true, schema: {type: string}}]"
ADD = ["Order Add"]


def merged(value: Any, patch: Any) -> Any:
    """Return a value with a merge patch applied (RFC 7396)."""
    if not isinstance(patch, dict):
        return patch
    old = value if isinstance(value, dict) else {}
    new = {name: merged(old.get(name), each) for name, each in patch.items()}
    return {name: each for name, each in {**old, **new}.items() if each is not None}


def parsed(text: str) -> Any:
    """Return a YAML text with references to the root."""
    return yaml.safe_load(text.replace("ORDER", json.dumps(ORDER)))


def api(patch: str | dict[str, Any]) -> dict[str, Any]:
    """Return the base with a merge patch applied, which may be a text."""
    change = parsed(patch) if isinstance(patch, str) else patch
    made: dict[str, Any] = merged(parsed(BASE), change)
    return made


#: The patches of the base, each with the processes of the operations that have rules then.
CASES = {
    name: (each["patch"], each["ruled"])
    for name, each in parsed(
        (Path(__file__).parents[1] / "cases" / "documents.yaml").read_text("utf-8")
    ).items()
}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Rulebook:
    """Give the rulebook of the base."""
    folder = tmp_path_factory.mktemp("orders")
    texts = {"openapi": SHAPES, "requirements": MATRIX, "interpretation": INTERPRETATION}
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(parsed(text), sort_keys=False), "utf-8")
    spec = load_spec(**{name: folder / f"{name}.yaml" for name in texts})
    return Rulebook(spec, compile_schemas(spec))


def faults(written: dict[str, Any]) -> list[str]:
    """Return what a validator of OpenAPI says of a document."""
    is_31 = written["openapi"].startswith("3.1")
    validator = (OpenAPIV31SpecValidator if is_31 else OpenAPIV30SpecValidator)(deepcopy(written))
    try:
        return [each.message for each in validator.iter_errors()]
    except RecursionError:
        return ["the validator follows a reference to itself for ever"]


def requests(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the requests of a collection."""
    for each in node["item"]:
        yield from requests(each) if "item" in each else (each,)


def posted(value: dict[str, Any], book: Rulebook) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the collection of a document, and the values of its environment."""
    files = {name.split(".postman_")[1]: json.loads(e) for name, e in files_of(value, book).items()}
    values = files["environment.json"]["values"]
    return files["collection.json"], {e["key"]: e["value"] for e in values if e["enabled"]}


def named(collection: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the request of a name."""
    return next(each for each in requests(collection) if each["name"] == name)


def scripts(node: dict[str, Any]) -> str:
    """Return the scripts of all requests of a collection, or of one request."""
    found = [node] if "item" not in node else [*requests(node)]
    return "\n".join(
        line for each in found for event in each["event"] for line in event["script"]["exec"]
    )


class TestAny:
    """The documents of the table."""

    @pytest.mark.parametrize("case", CASES)
    def test_openapi(self, case: str, book: Rulebook) -> None:
        """The document stays valid, operations have their rules; a second run changes nothing."""
        patch, ruled = CASES[case]
        value = api(patch)
        written = document(value, book)
        assert faults(written) == faults(value)
        found = {
            f"{method.upper()} {path}": each["x-ttrules"]["processes"]
            for path, item in written.get("paths", {}).items()
            for method, each in (
                item if "$ref" not in item else written["components"]["x-items"]["Orders"]
            ).items()
            if isinstance(each, dict) and "x-ttrules" in each
        }
        assert found == ruled
        assert document(written, book) == written

    @pytest.mark.parametrize("case", CASES)
    def test_postman(self, case: str, book: Rulebook) -> None:
        """Every operation is in the collection, and every process that rules one has a folder."""
        patch, ruled = CASES[case]
        value = api(patch)
        collection, _ = posted(value, book)
        lines = coverage(value, book.matrix)
        count = int(lines[0].split(" of ")[1].split()[0])
        names = {each["name"] for each in requests(collection) if each["name"].startswith("[")}
        paths = {name.split(",")[0] for name in names if "/done" not in name}
        assert len(paths) == count
        folders = {each["name"] for each in collection["item"]}
        assert folders >= {name for names in ruled.values() for name in names}
        assert lines[0].startswith(f"{len(ruled)} of ")


class TestShapes:
    """Where the codes of an entity are written."""

    def test_inline(self, book: Rulebook) -> None:
        """An entity that is the shape of a member, or of the items of one, has its codes there."""
        rows = {**book.matrix.entities}
        rows["Order.note"] = rows.pop("Note")
        rows["Order"] = {
            **rows["Order"],
            "note": replace(rows["Order"]["note"], entity="Order.note", many=True),
        }
        inline = Rulebook(replace(book.matrix, entities=rows), book.schemas)
        note = parsed(BASE)["components"]["schemas"]["Note"]
        member = {"allOf": None, "type": "array", "items": note}
        shape = {"properties": {"note": member}}
        value = api({"components": {"schemas": {"Order": shape}}})
        written = document(value, inline)["components"]["schemas"]["Order"]["properties"]["note"]
        assert written["items"]["properties"]["text"]["x-ttrules"] == {
            "cell": "Order.note.text",
            "requirements": {"Order Add": "R", "Order Change": "O"},
        }

    def test_two_matrices(self, book: Rulebook) -> None:
        """A document can have the rules of two matrices: each keeps its codes and its shapes."""
        (first, *_), rows = book.matrix.processes, book.matrix.entities["Note"]
        note = replace(
            book.matrix,
            root="Note",
            processes=(replace(first, name="Note Add", slug="note-add"),),
            entities={"Note": {"text": replace(rows["text"], requirements={"Note Add": "P"})}},
            selection_field=None,
        )
        other = Rulebook(note, compile_schemas(note))
        body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}}
        value = api({"paths": {"/notes": {"post": {"requestBody": body, "responses": {}}}}})
        written = document(document(value, book), other)
        found = [written["paths"][path]["post"]["x-ttrules"] for path in ("/orders", "/notes")]
        assert found == [{"processes": ["Order Add"]}, {"processes": ["Note Add"]}]
        shapes = written["components"]["schemas"]
        assert {"OrderAdd", "OrderChange", "NoteAdd"} <= shapes.keys()
        text = shapes["Note"]["properties"]["text"]
        assert text["x-ttrules"]["requirements"] == {
            "Order Add": "R",
            "Order Change": "O",
            "Note Add": "P",
        }
        assert text["description"] == "Required in Order Add. Prohibited in Note Add."
        assert document(document(written, book), other) == written


class TestFiles:
    """A document in several files."""

    def test_bundled(self, tmp_path: Path, book: Rulebook) -> None:
        """What other files have is in the document; what cannot be read stays as it is."""
        value = api("{}")
        post = value["paths"]["/orders"]["post"]
        other = {
            "B": post["requestBody"],
            "R": {
                "description": "done",
                "content": {"application/json": {"schema": {"$ref": "#/S"}}},
            },
            "S": {
                "type": "object",
                "properties": {
                    "again": {"$ref": "#/S"},
                    "order": {"$ref": "main.yaml#/components/schemas/Order"},
                    "far": {"$ref": "https://x.example/y.yaml#/Z"},
                    "lost": {"$ref": "lost.yaml#/Z"},
                    "Order": {"$ref": "more.yaml#/Order"},
                },
                "example": {"$ref": "more.yaml"},
            },
            "L": {"get": {"$ref": "other.yaml#/L/get"}},
        }
        other["B"]["content"]["application/json"]["schema"] = {
            "$ref": "main.yaml#/components/schemas/Order"
        }
        more = {"Order": {"type": "string"}, "Note": value["components"]["schemas"]["Note"]}
        value["components"]["schemas"]["Note"] = {"$ref": "more.yaml#/Note"}
        value["paths"] = {"/orders": {"$ref": "item.yaml"}, "/l": {"$ref": "other.yaml#/L"}}
        item = {"post": {**post, "requestBody": {"$ref": "./other.yaml#/B"}}}
        item["post"]["responses"] = {"201": {"$ref": "other.yaml#/R"}}
        written = {"main": value, "other": other, "more": more, "item": item}
        for name, each in written.items():
            (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(each), "utf-8")
        made = bundled(tmp_path / "main.yaml")
        shapes = made["components"]["schemas"]
        assert shapes["Note"] == more["Note"]
        assert shapes["Order2"] == {"type": "string"}
        ref = "#/components/schemas/"
        assert {name: each["$ref"] for name, each in shapes["S"]["properties"].items()} == {
            "again": f"{ref}S",
            "order": f"{ref}Order",
            "far": "https://x.example/y.yaml#/Z",
            "lost": "lost.yaml#/Z",
            "Order": f"{ref}Order2",
        }
        assert shapes["S"]["example"] == {"$ref": "more.yaml"}
        assert made["paths"]["/l"] == {"get": {}}
        operation = made["paths"]["/orders"]["post"]
        assert operation["requestBody"]["content"]["application/json"]["schema"] == ORDER
        assert coverage(made, book.matrix)[0] == "1 of 2 operations have rules: POST /orders"
        assert document(made, book)["paths"]["/orders"]["post"]["x-ttrules"] == {"processes": ADD}


def crud(status: str = "'422'", refused: str = "{description: refused}", done: str = DONE) -> str:
    """Return the patch of a document that creates, reads and changes orders."""
    return (
        f"paths: {{/orders: {{post: {{responses: {{'201': {done}, {status}: {refused}}}}}}},"
        f" '/orders/{{id}}': {{parameters: {ID}, get: {{responses: {{'200': {done}}}}},"
        f" patch: {{requestBody: {BODY}, responses: {{'200': {done}, {status}: {refused}}}}}}}}}"
    )


class TestPromises:
    """The collection tests what the document says, and nothing else."""

    def test_nothing_promised(self, book: Rulebook) -> None:
        """Without a response to invalid requests a defect must only not be accepted."""
        patch = (
            "paths: {/orders: {get: {parameters: [{name: q, in: query}],"
            " responses: {'200': {description: ok}}}}}"
        )
        collection, _ = posted(api(patch), book)
        written = scripts(collection)
        assert "violations" not in written
        assert "nsupported" not in written
        assert "have.status(400)" not in written
        missing = named(collection, "required /kind")
        assert scripts(missing) == (
            'pm.test("refused", () => pm.expect(pm.response.code).to.be.within(400, 499));'
        )
        assert not [each for each in collection["item"] if each["name"] == "errors"]

    @pytest.mark.parametrize("status", ["400", "422"])
    def test_status(self, book: Rulebook, status: str) -> None:
        """A defect gets the status that the document has for it."""
        collection, _ = posted(api(crud(f"'{status}'")), book)
        written = scripts(named(collection, "required /kind"))
        assert f"have.status({status})" in written
        assert "violations" not in written

    def test_findings(self, book: Rulebook) -> None:
        """Findings are tested where the shape of the response has them."""
        shape = "{type: object, properties: {violations: {type: array, items: {}}}}"
        refused = (
            f"{{description: refused, content: {{application/problem+json: {{schema: {shape}}}}}}}"
        )
        collection, _ = posted(api(crud(refused=refused)), book)
        assert '{"code": "required"' not in scripts(named(collection, "required /kind"))
        assert 'code: "required", pointer: "/kind"' in scripts(named(collection, "required /kind"))

    @pytest.mark.parametrize(
        ("shape", "required", "shown"),
        [
            ({"enum": ["a"]}, "code", {"code", "violations"}),
            ({"enum": ["a"]}, "other", {"code"}),
            ({}, "code", {"code"}),
        ],
    )
    def test_refusal(self, shape: dict[str, Any], required: str, shown: set[str]) -> None:
        """The example of a refusal gets findings; without any, or not complete, it is kept."""
        members = {"x": {"type": "string", **shape}}
        told = {"required": [required], "properties": {"code": {}, "other": {}, "violations": {}}}
        refused = {"application/json": {"schema": told, "example": {"code": "c"}}}
        asked = {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}
        responses = {"400": {"description": "refused", "content": refused}}
        post = {"requestBody": {"content": asked}, "responses": responses}
        written = {
            "openapi": "3.1.0",
            "paths": {"/items": {"post": post}},
            "components": {"schemas": {"Item": {"type": "object", "properties": members}}},
        }
        made = document(written, book_of(members))
        content = made["paths"]["/items"]["post"]["responses"]["400"]["content"]["application/json"]
        examples = [each["value"] for each in content.get("examples", {}).values()]
        values = [content["example"]] if "example" in content else examples
        assert [each.keys() for each in values] == [shown]
        assert values[0]["code"] == "c"

    def test_html(self, book: Rulebook) -> None:
        """HTML is asked for, and refused, where an operation does not answer in it."""
        for media_type, is_refused in (("text/plain", True), ("text/html", False)):
            patch = (
                "paths: {/page: {get: {responses: {'406': {description: no},"
                f" '200': {{description: ok, content: {{{media_type}: {{}}}}}}}}}}}}}}"
            )
            collection, _ = posted(api(patch), book)
            names = {each["name"] for each in requests(collection)}
            assert ("406 [GET] /page" in names) is is_refused

    @pytest.mark.parametrize(
        "header",
        [
            "Order-Unsupported-Members: {schema: {type: string}}",
            "Left-Out: {$ref: '#/components/headers/Left-Out'}",
        ],
    )
    def test_unsupported(self, book: Rulebook, header: str) -> None:
        """Members that are not stored are looked for in the header that the document has."""
        done = DONE[:-1] + f", headers: {{{header}}}}}"
        mark = "{x-unsupported-members: true, schema: {type: string}}"
        marked = f"components: {{headers: {{Left-Out: {mark}}}}}"
        patch = {**parsed(crud(done=done)), **parsed(marked)}
        collection, _ = posted(merged(parsed(BASE), patch), book)
        name = header.partition(":")[0]
        written = scripts(named(collection, "not_supported /note"))
        assert f'headers.get("{name}")' in written
        plain, _ = posted(api(crud()), book)
        assert "headers.get" not in scripts(named(plain, "not_supported /note"))

    def test_unknown_parameter(self, book: Rulebook) -> None:
        """An unknown parameter is refused where the document has an example of that."""
        shown = "{application/json: {schema: {}, examples: {invalidQuery: {value: {code: c}}}}}"
        patch = (
            "paths: {/orders: {get: {parameters: [{name: q, in: query}], responses:"
            f" {{'200': {{description: ok}}, '400': {{description: bad, content: {shown}}}}}}}}}}}"
        )
        collection, _ = posted(api(patch), book)
        asked = named(collection, "400 [GET] /orders")
        assert 'json()["code"]).to.eql("c")' in scripts(asked)

    def test_unknown_identifier(self, book: Rulebook) -> None:
        """An unknown identifier is tried where it can be any text."""
        for schema, count in (
            ("{type: string}", 1),
            ("{type: string, format: uuid}", 0),
            ("{type: integer}", 0),
        ):
            patch = (
                "paths: {'/orders/{id}': {parameters: [{name: id, in: path, required: true,"
                f" schema: {schema}}}], get: {{responses: {{'200': {DONE},"
                " '404': {description: refused}}}}}"
            )
            collection, _ = posted(api(patch), book)
            names = [each["name"] for each in requests(collection)]
            assert names.count("404 [GET] /orders/{id}") == count

    def test_answer(self, book: Rulebook) -> None:
        """What was sent is looked for in a response that has these members."""
        shape = "{$ref: null, type: object, properties: {kind: {type: string, writeOnly: true}}}"
        done = f"{{description: done, content: {{application/json: {{schema: {shape}}}}}}}"
        for each, is_told in ((DONE, True), (done, False)):
            collection, _ = posted(api(crud(done=each)), book)
            written = scripts(named(collection, "valid: required"))
            assert ("what was sent is answered" in written) is is_told


class TestRequests:
    """Where requests are sent, and with what."""

    @pytest.mark.parametrize(
        ("servers", "base"),
        [
            ("[{url: 'https://api.example.org/v1'}]", "https://api.example.org/v1"),
            (
                "[{url: 'https://{e}.example.org/', variables: {e: {default: test}}}]",
                "https://test.example.org",
            ),
            ("[{url: //api.example.org}]", "https://api.example.org"),
            ("[{url: /v1}]", "http://127.0.0.1:8080/v1"),
            ("[{url: v1}]", "http://127.0.0.1:8080/v1"),
            ("[{url: /}]", "http://127.0.0.1:8080"),
            ("[]", "http://127.0.0.1:8080"),
            ("null", "http://127.0.0.1:8080"),
        ],
    )
    def test_server(self, book: Rulebook, servers: str, base: str) -> None:
        """An absolute address is used as it is; a relative one is on one's own machine."""
        assert posted(api(f"servers: {servers}"), book)[1] == {"baseUrl": base}

    def test_servers(self, book: Rulebook) -> None:
        """Other servers are in the environment, switched off; an operation may have its own."""
        patch = (
            "{servers: [{url: /v1}, {url: 'https://b.example'}],"
            " paths: {/other: {servers: [{url: 'https://c.example'}], get: {responses: {}}}}}"
        )
        files = files_of(api(patch), book)
        (text,) = (each for name, each in files.items() if "environment" in name)
        values = [(e["value"], e["enabled"]) for e in json.loads(text)["values"]]
        assert values == [("http://127.0.0.1:8080/v1", True), ("https://b.example", False)]
        asked = named(posted(api(patch), book)[0], "[GET] /other")["request"]["url"]
        assert (asked["raw"], asked["host"]) == ("https://c.example/other", ["https://c.example"])

    @pytest.mark.parametrize(
        ("schemes", "kind", "variables"),
        [
            ("{type: http, scheme: basic}", "basic", {"username", "password"}),
            ("{type: http, scheme: bearer}", "bearer", {"accessToken"}),
            ("{type: apiKey, in: query, name: key}", "apikey", {"apiKey"}),
            ("{type: apiKey, in: cookie, name: key}", None, set()),
            ("{type: oauth2, flows: {implicit: {}}}", "bearer", {"accessToken"}),
            ("{type: http, scheme: digest}", None, set()),
        ],
    )
    def test_credentials(
        self, book: Rulebook, schemes: str, kind: str | None, variables: set[str]
    ) -> None:
        """Requests have the credentials of the scheme that the document asks for."""
        patch = f"{{security: [{{s: []}}], components: {{securitySchemes: {{s: {schemes}}}}}}}"
        whole = merged(parsed(patch), parsed(crud()))
        collection, values = posted(merged(parsed(BASE), whole), book)
        assert collection.get("auth", {}).get("type") == kind
        assert values.keys() == {"baseUrl", *variables}
        made = scripts(named(collection, "[GET] /orders/{id}"))
        headers = {
            "basic": "Basic ${btoa",
            "bearer": "Bearer ${pm",
            "apikey": '"key": pm.env',
            None: 'header: {"Content',
        }
        assert ("made before" not in made) or headers[kind] in made

    def test_body(self, book: Rulebook) -> None:
        """A body has the media type of the document, a form its fields, and others are made up."""
        patch = (
            "paths: {/a: {post: {requestBody: {content: {application/merge-patch+json:"
            " {schema: {type: object, properties: {n: {type: integer}, r: {readOnly: true}}}}}}}},"
            " /f: {post: {responses: {}, requestBody: {content: {application/x-www-form-urlencoded:"
            " {example: {a: 1, b: [x, y]}}}}}}, /t: {post: {responses: {}, requestBody: {content:"
            " {text/plain: {example: hi}}}}}}"
        )
        collection, _ = posted(api(patch), book)
        asked = {each["name"]: each["request"] for each in requests(collection)}
        made = asked["[POST] /a"]
        assert made["header"][0] == {"key": "Content-Type", "value": "application/merge-patch+json"}
        assert [*json.loads(made["body"]["raw"])] == ["n"]
        fields = [{"key": "a", "value": "1"}, {"key": "b", "value": "x,y"}]
        assert asked["[POST] /f"]["body"] == {"mode": "urlencoded", "urlencoded": fields}
        assert asked["[POST] /t"]["body"] == {"mode": "raw", "raw": "hi"}

    def test_parameters(self, book: Rulebook) -> None:
        """Required parameters are sent, and each parameter of a path has its variable."""
        collection, _ = posted(api(CASES["parameters of every kind"][0]), book)
        asked = named(collection, "[PUT] /a/{x}/b-{y}/{id}")["request"]
        sent = {each["key"]: each["value"] for each in asked["header"] if "disabled" not in each}
        assert sent.keys() == {"Content-Type", "Accept", "Cookie", "H"}
        assert asked["url"]["path"] == ["a", ":x", "b-{{y}}", ":id"]
        assert [(each["key"], each["value"]) for each in asked["url"]["variable"]] == [
            ("x", "{{x}}"),
            ("id", "{{id}}"),
        ]
        assert [each["key"] for each in asked["url"]["query"] if "disabled" not in each] == ["b"]

    def test_identifier(self, book: Rulebook) -> None:
        """The identifier is the member with the name of the parameter, ``id``, or none."""
        for member, is_known in (("id", True), ("orderId", True), ("number", False)):
            shape = f"{{$ref: null, type: object, properties: {{{member}: {{type: string}}}}}}"
            done = f"{{description: done, content: {{application/json: {{schema: {shape}}}}}}}"
            collection, _ = posted(api(crud(done=done)), book)
            before = scripts(named(collection, "[GET] /orders/{id}"))
            assert (f'response.json()["{member}"]' in before) is is_known

    def test_tags(self, book: Rulebook) -> None:
        """A tag that is not in the list has a folder, and operations without a tag the last one."""
        patch = (
            "paths: {/a: {get: {responses: {}}}, /b: {get: {tags: [new, orders], responses: {}}},"
            " /c: {get: {tags: [new], responses: {}}}}"
        )
        folders = posted(api(patch), book)[0]["item"]
        found = {each["name"]: [one["name"] for one in each["item"]] for each in folders[:3]}
        assert found == {
            "orders": ["[POST] /orders"],
            "new": ["[GET] /b", "[GET] /c"],
            "requests": ["[GET] /a"],
        }

    def test_events(self, book: Rulebook) -> None:
        """An event has the body of its shape; it is signed if it has the header of a signature."""
        sign = ", parameters: [{name: Webhook-Signature, in: header, schema: {type: string}}]"
        shape = (
            "{type: object, properties: {data: ORDER, at: {type: string, format: date-time},"
            " in: {type: object, properties: {a: {type: string}}}, no: {type: array}}}"
        )
        for more in ("", sign):
            patch = (
                "paths: {/orders: {post: {callbacks: {done: {'{$request.body#/sink}/in': {post: {"
                f"requestBody: {{content: {{application/cloudevents+json: {{schema: {shape}}}}}}},"
                f" responses: {{'202': {{description: ok}}}}{more}}}}}}}}}}}}}}}"
            )
            collection, values = posted(api(patch), book)
            event = named(collection, "[POST]/done")
            assert event["request"]["url"]["raw"] == "{{listenerUrl}}/in"
            assert [*json.loads(event["request"]["body"]["raw"])] == ["data", "at", "in"]
            names = {each["key"] for each in event["request"]["header"]}
            assert ("webhook-signature" in names) is bool(more)
            assert ("signingSecret" in values) is bool(more)
            assert "have.status(202)" in scripts(event)


class TestCoverage:
    """What is told of operations without rules."""

    def test_reasons(self, book: Rulebook) -> None:
        """Each operation is named once, with the reason."""
        patch = (
            "paths: {/a: {get: {}}, /b: {post: {requestBody: {content: {text/csv: {}}}}},"
            " /c: {post: {requestBody: {content: {application/json: {schema: {type: object}}}}}},"
            " /d: {delete: {requestBody: " + BODY + ", responses: {}}}}"
        )
        first, *others = coverage(api(patch), book.matrix)
        assert first == "1 of 5 operations have rules: POST /orders"
        assert [each.split(":")[0] for each in others] == [
            "no rules for GET /a",
            "no rules for POST /b",
            "no rules for POST /c",
            "no rules for DELETE /d",
        ]
        assert "text/csv" in others[1]

    def test_many(self, book: Rulebook) -> None:
        """Many operations with the same reason are counted."""
        paths = ", ".join(f"/p{number}: {{get: {{responses: {{}}}}}}" for number in range(25))
        lines = coverage(api(f"paths: {{{paths}}}"), book.matrix)
        assert "and 5 more: it has no request body" in lines[1]
