"""A matrix that is drafted from a document: its codes and processes, and what they leave out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from ttrules.errors import SpecError
from ttrules.spec.draft import Draft, drafted
from ttrules.spec.load import load_spec, read_document

if TYPE_CHECKING:
    from pathlib import Path

TEXT = {"type": "string"}


def body(name: str, media_type: str = "application/json", *, many: bool = False) -> dict[str, Any]:
    """Return an operation whose body is a schema, or a list of it."""
    schema: dict[str, Any] = {"$ref": f"#/components/schemas/{name}"}
    if many:
        schema = {"type": "array", "items": schema}
    return {"requestBody": {"content": {media_type: {"schema": schema}}}, "responses": {}}


def document(schemas: dict[str, Any], paths: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a document."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "Orders", "version": "1e5"},
        "paths": paths or {},
        "components": {"schemas": schemas},
    }


def draft(schemas: dict[str, Any], *roots: str, paths: dict[str, Any] | None = None) -> Draft:
    """Return the draft for a document."""
    return drafted(read_document(document(schemas, paths)), roots or ("Order",))


def matrix(made: Draft) -> dict[str, Any]:
    """Return the matrix of a draft."""
    read: dict[str, Any] = yaml.safe_load(made.files["requirements.yaml"])
    return read


ORDER = {"properties": {"a": TEXT}}


class TestCodes:
    """R is what the document requires, P what is read-only, O the rest."""

    SCHEMAS: dict[str, Any] = {
        "Order": {
            "required": ["must", "id", "gone", "maybe"],
            "properties": {
                "must": TEXT,
                "may": TEXT,
                "id": {**TEXT, "readOnly": True},
                "maybe": {**TEXT, "nullable": True},
                "secret": {**TEXT, "writeOnly": True, "format": "iban"},
                "lines": {
                    "type": "array",
                    "items": {"required": ["1e5"], "properties": {"1e5": {}}},
                },
            },
        },
        "Unused": {"properties": {"a": TEXT}},
    }

    def test_codes(self) -> None:
        """Each entity that the root reaches has a row for each field."""
        made = draft(self.SCHEMAS, paths={"/o": {"post": body("Order"), "patch": body("Order")}})
        assert matrix(made)["processes"] == ["Order Add", "Order Change"]
        assert matrix(made)["entities"] == {
            "Order": {
                "must": ["R", "O"],
                "may": ["O", "O"],
                "id": ["P", "P"],
                "maybe": ["R", "O"],
                "secret": ["O", "O"],
                "lines": ["O", "O"],
            },
            "Order.lines": {"1e5": ["R", "O"]},
        }
        assert (made.entities, made.fields) == (2, 7)

    def test_remarks(self) -> None:
        """What a code cannot say is told with its place."""
        told = [each.message for each in draft(self.SCHEMAS).remarks]
        assert [each for each in told if "iban" in each]
        assert [each for each in told if "Order.maybe" in each and "null" in each]
        assert [each for each in told if "gone" in each]
        assert len(told) == 3

    def test_loads(self, tmp_path: Path) -> None:
        """The files load as they are, whatever names and texts are in them."""
        schemas = {"Order": {"properties": dict.fromkeys(("no", "1e5", "a: b", "@x", "~"), TEXT)}}
        made = draft(schemas)
        for name, content in made.files.items():
            (tmp_path / name).write_bytes(content)
        spec = load_spec(
            document(schemas), tmp_path / "requirements.yaml", tmp_path / "interpretation.yaml"
        )
        assert [*spec.entities["Order"]] == ["no", "1e5", "a: b", "@x", "~"]
        assert spec.version == "1e5"


class TestProcesses:
    """A process is a kind of request whose body is a root."""

    @pytest.mark.parametrize(
        ("paths", "names"),
        [
            ({}, ["Order Add"]),
            ({"/o": {"get": {}, "parameters": []}}, ["Order Add"]),
            ({"/o": {"delete": body("Order")}}, ["Order Add"]),
            ({"/o": {"patch": body("Order")}}, ["Order Change"]),
            (
                {
                    "/o": {"put": body("Order"), "post": body("Order")},
                    "/p": {"post": body("Order")},
                },
                ["Order Add", "Order Replace"],
            ),
            ({"/o": {"patch": body("Order", "application/merge-patch+JSON")}}, ["Order Change"]),
            ({"/o": {"patch": body("Order", "application/xml")}}, ["Order Add"]),
            ({"/o": {"put": body("Order", many=True)}}, ["Order Replace"]),
            ({"/o": {"put": body("Other")}}, ["Order Add"]),
            ({"/o": {"put": {"requestBody": {"$ref": "#/x-body"}}}}, ["Order Replace"]),
            ({"/o": {"put": {"requestBody": {"$ref": "#/nowhere"}}}}, ["Order Add"]),
            ({"/o": {"put": {"requestBody": None}}, "/p": None}, ["Order Add"]),
        ],
    )
    def test_names(self, paths: dict[str, Any], names: list[str]) -> None:
        """Each method has one, in the order in which a resource lives."""
        made = document({"Order": ORDER, "Other": ORDER}, paths)
        made["x-body"] = body("Order")["requestBody"]
        assert matrix(drafted(read_document(made), ["Order"]))["processes"] == names

    def test_choice(self) -> None:
        """A body that is one of several schemas is of each."""
        options = {
            "oneOf": [
                {"$ref": "#/components/schemas/Other"},
                {"$ref": "#/components/schemas/Order"},
            ]
        }
        operation = {"requestBody": {"content": {"application/json": {"schema": options}}}}
        made = draft({"Order": ORDER, "Other": ORDER}, paths={"/o": {"patch": operation}})
        assert matrix(made)["processes"] == ["Order Change"]

    def test_several_roots(self) -> None:
        """Each root has its own processes; what a payload cannot contain is not supported."""
        schemas = {
            "Order_Create": {
                "required": ["a"],
                "properties": {"a": TEXT, "b": {"$ref": "#/components/schemas/Part"}},
            },
            "OrderUpdate": {"properties": {"a": TEXT}},
            "Part": {"properties": {"c": TEXT}},
        }
        paths = {"/o": {"post": body("Order_Create"), "patch": body("OrderUpdate")}}
        made = matrix(draft(schemas, "Order_Create", "OrderUpdate", paths=paths))
        assert made["roots"] == {"Order Add": "Order_Create", "Order Change": "OrderUpdate"}
        assert made["entities"]["Part"] == {"c": ["O", "-"]}
        assert made["entities"]["OrderUpdate"] == {"a": ["-", "O"]}

    def test_names_that_are_taken(self) -> None:
        """Two roots have processes of different names."""
        schemas = {"Order": ORDER, "Order_Create": ORDER}
        paths = {"/o": {"post": body("Order")}, "/p": {"post": body("Order_Create")}}
        made = matrix(draft(schemas, "Order", "Order_Create", paths=paths))
        assert made["processes"] == ["Order Add", "Order Create Add"]

    def test_selection(self) -> None:
        """Several processes are selected by the operation."""
        paths = {"/o": {"post": body("Order"), "patch": body("Order")}}
        made = draft({"Order": ORDER}, paths=paths).files["interpretation.yaml"]
        assert yaml.safe_load(made)["selection"]["processes"] == {
            "Order Add": {"operation": "add"},
            "Order Change": {"operation": "change"},
        }

    def test_request(self, tmp_path: Path) -> None:
        """A request may be the root: its body needs no name."""
        inline = {"content": {"application/json": {"schema": {"properties": {"a": ORDER}}}}}
        paths = {"/o/{id}": {"post": {"requestBody": inline, "responses": {}}}}
        made = draft({}, "POST /o/{id}", paths=paths)
        assert matrix(made)["processes"] == ["POST o id Add"]
        assert [*matrix(made)["entities"]] == ["POST /o/{id}", "POST /o/{id}.a"]
        for name, content in made.files.items():
            (tmp_path / name).write_bytes(content)
        spec = load_spec(document({}, paths), tmp_path / "requirements.yaml")
        assert spec.entities["POST /o/{id}"]["a"].entity == "POST /o/{id}.a"


class TestRefused:
    """What cannot be drafted is told."""

    @pytest.mark.parametrize(
        ("schemas", "root", "says"),
        [
            ({"Order": ORDER}, "Ordr", "did you mean 'Order'?"),
            ({"Order": ORDER}, "POST /x", "no schema and no request"),
            ({"Order": TEXT}, "Order", "no properties"),
            ({"Order": {"properties": {"a": {"$ref": "#/x"}}}}, "Order", "no part 'x'"),
        ],
    )
    def test_root(self, schemas: dict[str, Any], root: str, says: str) -> None:
        """A root is a schema with properties, or a request."""
        with pytest.raises(SpecError) as caught:
            draft(schemas, root)
        assert says in str(caught.value)

    def test_version(self, tmp_path: Path) -> None:
        """A document of another version is refused at the version."""
        path = tmp_path / "a.json"
        path.write_text(json.dumps({"swagger": "2.0"}))
        with pytest.raises(SpecError) as caught:
            read_document(path)
        assert "swagger2openapi" in str(caught.value)
        path.write_text("[]")
        with pytest.raises(SpecError):
            drafted(read_document(path), ["Order"])
