"""The document that clients are given: generated, valid, and what the tables of the server say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from openapi_schema_validator import OAS30ReadValidator, OAS30WriteValidator
from openapi_spec_validator import OpenAPIV30SpecValidator

from server.api.query import read_query
from server.documents import as_json_schema, offered, public, served, with_body
from server.problems import KINDS, ApiError, error_body
from server.profile.members import OTHERS
from server.storage.ticket_query import MOST_VALUES, OPERATOR_MEANINGS
from tests.support.cells import payload_of
from tests.support.contract import BACKOFFICE, BASE, DOCUMENT, resolved
from tests.support.profiles import OPERATOR, PROVIDER, base_path, load, load_backoffice
from ttrules.exports.openapi.document import shipped_openapi
from ttrules.rulebook import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.servers import Client, Server

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PUBLISHED: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))

#: The parameters of the list's query by their names.
PARAMETERS: dict[str, dict[str, Any]] = {
    each["name"]: each
    for each in map(resolved, DOCUMENT["paths"]["/troubleTicket"]["get"]["parameters"])
    if each["in"] == "query"
}
#: What the document says of a ticket.
KNOWN = OPERATOR.listing
FIELDS = KNOWN.filters
#: What a query may say of a member, by how it compares, and what it may not.
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "text": ([["a", "b"], ["a\\,b"], [" "]], [[1], [], [""], ["a,b"], ["a"] * (MOST_VALUES + 1)]),
    "number": ([[1], [1, -(10**18) + 1]], [["x"], [], [1.5], [10**18]]),
    "instant": (
        [["2026-01-31"], ["2026-01-31T00:00:00Z", "2024-02-29"]],
        [["2026-02-30"], ["now"], [], [""]],
    ),
}


def is_valid(schema: dict[str, Any], value: Any) -> bool:
    """Say whether a value meets a schema of the document."""
    shapes = {"components": {"schemas": DOCUMENT["components"]["schemas"]}}
    whole = as_json_schema({**schema, **shapes})
    return jsonschema_rs.is_valid(whole, value, validate_formats=True)


class TestWhole:
    """The document as a whole."""

    @pytest.mark.parametrize("prefix", ["", "/gateway"])
    def test_valid(self, prefix: str) -> None:
        """It is OpenAPI 3.0, its examples included."""
        OpenAPIV30SpecValidator(served(OPERATOR, prefix)).validate()

    def test_served(self, server: Server) -> None:
        """It is what the server gives, to anybody."""
        assert server.stranger().get("/openapi.json").json() == json.loads(json.dumps(DOCUMENT))

    def test_written(self) -> None:
        """Everything that was written is still there; nothing of the source is changed."""
        before = load()
        served(OPERATOR, "/x")
        assert load() == before
        for path, item in before["paths"].items():
            for verb, operation in item.items():
                if verb != "parameters":
                    told = DOCUMENT["paths"][path][verb]
                    assert told["operationId"] == operation["operationId"]
                    assert told["responses"].keys() == operation["responses"].keys()

    def test_request_id(self) -> None:
        """Every answer of every operation has the request's id."""
        for item in DOCUMENT["paths"].values():
            for operation in (each for verb, each in item.items() if verb != "parameters"):
                for answer in map(resolved, operation["responses"].values()):
                    assert "X-Request-Id" in answer["headers"]


class TestOffered:
    """What hangs on a setting is there where the setting is on."""

    def test_off(self) -> None:
        """Off, neither the operation nor its tag is there; nothing else is missing."""
        on, off = (offered(load(), {"TTR_CHECKER": each}) for each in (True, False))
        assert on == load()
        assert on["paths"].keys() - off["paths"].keys() == {"/check"}
        assert [each for each in on["tags"] if each not in off["tags"]] == [
            {**each} for each in on["tags"] if each["name"] == "check"
        ]
        assert offered(load_backoffice(), {"TTR_CHECKER": False}) == load_backoffice()
        OpenAPIV30SpecValidator(served(OPERATOR, "", off)).validate()

    def test_public(self) -> None:
        """One operation asks for no credentials."""
        assert public(load()) == {"checkTroubleTicket"}
        assert public(load_backoffice()) == set()

    def test_processes(self) -> None:
        """A process is named by its name or its short form, and nothing else is taken."""
        schema = DOCUMENT["components"]["parameters"]["Process"]["schema"]
        for name in shipped().processes():
            assert is_valid(schema, name)
            assert is_valid(schema, shipped().slug(name))
        assert not is_valid(schema, "complaint")


class TestRules:
    """The shapes of requests contain the rules of the processes."""

    @pytest.mark.parametrize("process", ["Complaint Add", "Customer Trouble Ticket Add"])
    def test_add(self, process: str) -> None:
        """A payload that ttrules lets pass meets the shape; one that lacks a field does not."""
        schema = DOCUMENT["paths"]["/troubleTicket"]["post"]["requestBody"]["content"]
        payload = payload_of(process, "minimal")
        assert is_valid(schema["application/json"]["schema"], payload)
        for name in payload:
            less = {key: value for key, value in payload.items() if key != name}
            assert not is_valid(schema["application/json"]["schema"], less), name

    def test_change(self) -> None:
        """A merge patch meets the rules of a change by either media type."""
        content = DOCUMENT["paths"]["/troubleTicket/{troubleTicketId}"]["patch"]["requestBody"]
        for media_type in ("application/json", "application/merge-patch+json"):
            schema = content["content"][media_type]["schema"]
            assert is_valid(schema, {"@type": "TroubleTicket", "severity": "Low"})
            assert is_valid(schema, {"@type": "TroubleTicket", "severity": None})
            assert not is_valid(schema, {"@type": "TroubleTicket", "severity": "low"})
            assert not is_valid(schema, {"@type": "TroubleTicket", "id": "1"})


class TestFaces:
    """What is published, what is served and what is answered say the same."""

    def test_schemas(self) -> None:
        """The schemas are those of docs/openapi.json, which the wheel ships too."""
        assert DOCUMENT["components"]["schemas"] == PUBLISHED["components"]["schemas"]
        assert json.loads(shipped_openapi()) == PUBLISHED

    def test_operations(self) -> None:
        """So are operations, their bodies with the examples, and the answers that they have."""
        for path, item in PUBLISHED["paths"].items():
            for verb, operation in item.items():
                served_one = DOCUMENT["paths"][path][verb]
                if verb != "parameters":
                    for key in operation.keys() - {"parameters", "responses"}:
                        assert served_one[key] == operation[key]
                    assert served_one["responses"].keys() == operation["responses"].keys()

    def test_addresses(self, server: Server) -> None:
        """The operators' document is at an address without the base path as well."""
        stranger = server.stranger()
        short = stranger.get(f"{server.root}/openapi.json")
        assert short.headers["Content-Type"] == "application/json"
        assert short.json() == stranger.get("/openapi.json").json()
        assert f'"{BASE}/openapi.json"' in stranger.get(f"{server.root}/ui/").text

    def test_errors(self) -> None:
        """Each kind of error is shown, as it is told, in the answers that have its status."""
        for name, status in (("BadRequest", 400), ("Conflict", 409), ("ServiceUnavailable", 503)):
            content = DOCUMENT["components"]["responses"][name]["content"]["application/json"]
            assert {code: each["value"] for code, each in content["examples"].items()} == {
                code: error_body(ApiError(code))
                for code, kind in KINDS.items()
                if kind.status == status
            }

    def test_words(self) -> None:
        """What the spec shows of errors are the server's words."""
        written = load()["components"]["responses"]["BadRequest"]["content"]["application/json"]
        for code, each in written["examples"].items():
            assert each["value"] == error_body(ApiError(code))

    @pytest.mark.parametrize(
        "document", [PUBLISHED, DOCUMENT, BACKOFFICE], ids=lambda d: str(d["servers"])
    )
    def test_examples(self, document: dict[str, Any]) -> None:
        """Every example of a body or an answer meets its schema, read as OpenAPI 3.0 has it."""
        seen = 0
        for content, reader in contents(document):
            whole = {"allOf": [content["schema"]], "components": document["components"]}
            for each in content.get("examples", {}).values():
                reader(whole).validate(each["value"])
                seen += 1
        assert seen > 15

    def test_answered(self, api: Client) -> None:
        """What is shown is what happens: examples are taken, broken ones answered to the letter."""
        post, patch = (
            PUBLISHED["paths"]["/troubleTicket"]["post"],
            PUBLISHED["paths"]["/troubleTicket/{troubleTicketId}"]["patch"],
        )
        for each in post["requestBody"]["content"]["application/json"]["examples"].values():
            assert api.post("/troubleTicket", json=each["value"]).status_code == 201
        for each in refusals(post).values():
            answer = api.post("/troubleTicket", json=each["x-ttrules"]["request"])
            assert (answer.status_code, answer.json()) == (400, each["value"])
        added = post["requestBody"]["content"]["application/json"]["examples"]
        for name, broken in refusals(patch).items():
            for media_type, content in patch["requestBody"]["content"].items():
                new = added[name.replace("Change", "Add")]["value"]
                address = f"/troubleTicket/{api.created(**new)['id']}"
                answer = api.patch(address, json=broken["x-ttrules"]["request"])
                assert (answer.status_code, answer.json()) == (400, broken["value"])
                body = json.dumps(content["examples"][name]["value"])
                changed = api.patch(address, data=body, headers={"Content-Type": media_type})
                assert changed.status_code == 200, changed.text


def refusals(operation: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the answers to broken requests that an operation shows with the requests."""
    shown = operation["responses"]["400"]["content"]["application/json"]["examples"]
    return {name: each for name, each in shown.items() if "x-ttrules" in each}


def contents(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield every body and every answer of a document, with what reads its schema."""
    base = base_path(document)
    for item in document["paths"].values():
        for operation in (each for verb, each in item.items() if verb != "parameters"):
            for content in operation.get("requestBody", {}).get("content", {}).values():
                yield content, OAS30WriteValidator
            for answer in operation["responses"].values():
                for content in resolved(answer, base).get("content", {}).values():
                    yield content, OAS30ReadValidator


class TestFilters:
    """The parameters of the list are those that filtering takes."""

    def test_names(self) -> None:
        """Every filter is there, and every operator that is there is one."""
        assert {name for name in PARAMETERS if "." not in name} == {*FIELDS, *OTHERS}
        for name in (each for each in PARAMETERS if "." in each):
            field, _, operator = name.partition(".")
            assert field in FIELDS
            assert operator in OPERATOR_MEANINGS

    @pytest.mark.parametrize("name", [*FIELDS, "creationDate.gte", "name.ne", "priority.lt"])
    def test_values(self, name: str) -> None:
        """What the schema of a filter allows is taken, and what it refuses is refused."""
        schema = PARAMETERS[name]["schema"]
        member = FIELDS[name.partition(".")[0]]
        good, bad = VALUES[KNOWN.sorts[member]]
        if member in KNOWN.values:
            good, bad = [[*KNOWN.values[member]]], [[], [""], [1], ["submitte"]]
        for value in good:
            assert is_valid(schema, value)
            text = ",".join(map(str, value))
            assert read_query(f"{name}={text}".encode(), KNOWN).conditions
        for value in bad:
            assert not is_valid(schema, value)

    def test_enums(self) -> None:
        """The enums among the filters are those of the ticket's members, not a list of code."""
        shape = load()["components"]["schemas"]["TroubleTicket"]["properties"]
        for name in ("origin", "severity", "ticketType", "ticketSubtype"):
            assert list(KNOWN.values[name]) == shape[name]["enum"]
        assert set(KNOWN.members) == set(shape)
        assert {*KNOWN.values} & {*FIELDS} == {
            *("origin", "severity", "ticketType", "ticketSubtype", "status")
        }

    def test_fields(self) -> None:
        """`fields` takes the members of a ticket."""
        schema = PARAMETERS["fields"]["schema"]
        assert is_valid(schema, ["name", "@type"])
        assert not is_valid(schema, ["nosuch"])
        assert not is_valid(schema, [])

    def test_lists(self) -> None:
        """A value is a list whose members are separated by commas."""
        for name in {*PARAMETERS} - {"offset", "limit", "cursor"}:
            told = PARAMETERS[name]
            assert (told["style"], told["explode"]) == ("form", False)

    @pytest.mark.parametrize("document", [DOCUMENT, BACKOFFICE], ids=["operators", "provider"])
    def test_nothing_is_filled_in(self, document: dict[str, Any]) -> None:
        """A client that fills in examples and defaults asks for everything, in its own language.

        Swagger UI sends what a parameter or its schema has as `example`, `examples` or `default`.
        """
        filled = {
            each["name"]: place[key]
            for each in document["components"]["parameters"].values()
            for place in (each, each["schema"], each["schema"].get("items", {}))
            for key in ("example", "examples", "default")
            if key in place
        }
        expected = {"offset": 0, "limit": 100, "strict": False}
        assert filled.items() <= expected.items()
        written = load()["components"]["parameters"]
        for key, each in written.items():
            if "example" in each:
                told = DOCUMENT["components"]["parameters"][key]["description"]
                assert f"Example: `{each['example']}`." in told

    def test_sort(self) -> None:
        """Every member that can be filtered can be sorted by, in both directions."""
        schema = PARAMETERS["sort"]["schema"]
        for name in FIELDS:
            assert is_valid(schema, [name])
            assert is_valid(schema, [f"-{name}"])
        assert not is_valid(schema, ["description"])


class TestBackoffice:
    """The document of the provider's side, which is made of two files."""

    @pytest.mark.parametrize("prefix", ["", "/gateway"])
    def test_valid(self, prefix: str) -> None:
        """It is OpenAPI 3.0, for Connexion and for clients."""
        OpenAPIV30SpecValidator(load_backoffice()).validate()
        OpenAPIV30SpecValidator(served(PROVIDER, prefix)).validate()

    def test_whole(self) -> None:
        """It refers to no other file; what the sides share is the same in both, word for word."""
        assert "openapi.yaml" not in json.dumps(BACKOFFICE)
        own, shared = load_backoffice()["components"], load()["components"]
        for kind, components in own.items():
            for name, component in components.items():
                if name in shared[kind]:
                    assert component == shared[kind][name]
        assert own["schemas"].keys() - shared["schemas"].keys() == {
            "AnySubscription",
            "AnyTroubleTicket",
            "Event",
            "Owner",
            "Purged",
            "WholeEvent",
        }
        assert own["securitySchemes"] == shared["securitySchemes"]

    def test_bodies(self) -> None:
        """Of its operations one takes a body."""
        assert with_body(load_backoffice()) == {"patchAnyTroubleTicket"}

    def test_filters(self) -> None:
        """Its list takes what the operators' does, and `operator`."""
        listed = BACKOFFICE["paths"]["/troubleTicket"]["get"]["parameters"]
        names = {resolved(each, base_path(BACKOFFICE))["name"] for each in listed}
        assert names == {*PARAMETERS, "operator", "Accept-Language"}

    def test_rules(self) -> None:
        """The shape of a change contains the provider's rules."""
        patch = BACKOFFICE["paths"]["/troubleTicket/{troubleTicketId}"]["patch"]
        for media_type in ("application/json", "application/merge-patch+json"):
            schema = patch["requestBody"]["content"][media_type]["schema"]
            whole = as_json_schema({**schema, "components": BACKOFFICE["components"]})
            assert jsonschema_rs.is_valid(whole, {"correlationId": "1"})
            assert not jsonschema_rs.is_valid(whole, {"name": "1"})
