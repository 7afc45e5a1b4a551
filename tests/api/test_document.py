"""The document that clients are given: generated, valid, and what the tables of the server say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator

from server import backoffice
from server.document import (
    as_json_schema,
    base_path,
    load,
    load_backoffice,
    methods,
    offered,
    public,
    served,
    with_body,
)
from server.filtering import FIELDS, OPERATOR_MEANINGS, OTHERS, read_query
from server.schema import FILTERED
from tests.api.contract import BACKOFFICE, BASE, DOCUMENT, resolved
from tests.placing import payload_of
from ttrules.book import shipped

if TYPE_CHECKING:
    from tests.api.conftest import Server

#: The parameters of the list by their names.
PARAMETERS: dict[str, dict[str, Any]] = {
    each["name"]: each
    for each in map(resolved, DOCUMENT["paths"]["/troubleTicket"]["get"]["parameters"])
}
#: What a query may say of a member, by how it compares, and what it may not.
VALUES: dict[str, tuple[list[Any], list[Any]]] = {
    "text": ([[""], ["a", "b"], []], [[1]]),
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
        OpenAPIV30SpecValidator(served(load(), shipped(), prefix)).validate()

    def test_served(self, server: Server) -> None:
        """It is what the server gives, to anybody."""
        assert server.stranger().get("/openapi.json").json() == json.loads(json.dumps(DOCUMENT))

    def test_written(self) -> None:
        """Everything that was written is still there; nothing of the source is changed."""
        before = load()
        source = load()
        served(source, shipped(), "/x")
        assert source == before
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

    def test_methods(self) -> None:
        """Each path has the Allow header of its methods."""
        found = {pattern.pattern: allow for pattern, allow in methods(load())}
        assert len(found) == len(DOCUMENT["paths"])
        assert base_path(DOCUMENT) == BASE
        for path, allow in (
            ("/troubleTicket", "GET, POST, HEAD"),
            ("/troubleTicket/1", "GET, PATCH, HEAD"),
            ("/hub", "POST, DELETE"),
        ):
            (names,) = {
                allow for pattern, allow in methods(load()) if pattern.fullmatch(BASE + path)
            }
            assert names == allow


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
        OpenAPIV30SpecValidator(served(off, shipped(), "")).validate()

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
    """The rules of the processes stand in the shapes of requests."""

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
        good, bad = VALUES[FILTERED.get(FIELDS[name.partition(".")[0]], "text")]
        for value in good:
            assert is_valid(schema, value)
            text = ",".join(map(str, value))
            assert read_query(f"{name}={text}".encode()).conditions
        for value in bad:
            assert not is_valid(schema, value)

    def test_lists(self) -> None:
        """A value is a list whose members are separated by commas, as its example is."""
        for name in {*PARAMETERS} - {"offset", "limit"}:
            told = PARAMETERS[name]
            assert (told["style"], told["explode"]) == ("form", False)
            if "example" in told:
                assert is_valid(told["schema"], told["example"])

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
        OpenAPIV30SpecValidator(served(load_backoffice(), backoffice.book(), prefix)).validate()

    def test_whole(self) -> None:
        """It refers to no other file; what the sides share is the same in both, word for word."""
        assert "openapi.yaml" not in json.dumps(BACKOFFICE)
        own, shared = load_backoffice()["components"], load()["components"]
        for kind, components in own.items():
            for name, component in components.items():
                if name in shared[kind]:
                    assert component == shared[kind][name]
        assert own["schemas"].keys() - shared["schemas"].keys() == {
            "Event",
            "EventState",
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
        assert names == {*PARAMETERS, "operator"}

    def test_rules(self) -> None:
        """The provider's rules stand in the shape of a change."""
        patch = BACKOFFICE["paths"]["/troubleTicket/{troubleTicketId}"]["patch"]
        for media_type in ("application/json", "application/merge-patch+json"):
            schema = patch["requestBody"]["content"][media_type]["schema"]
            whole = as_json_schema({**schema, "components": BACKOFFICE["components"]})
            assert jsonschema_rs.is_valid(whole, {"correlationId": "1"})
            assert not jsonschema_rs.is_valid(whole, {"name": "1"})
