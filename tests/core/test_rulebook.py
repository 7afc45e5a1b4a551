"""A Rulebook: names of processes, cells, schemas, and where it is read from."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import ttrules
from tests.support.cells import payload_of, stored
from tests.support.oracle import MATRIX, PROCESSES, SPEC
from ttrules.codes import BOOK_FORMAT, Unsupported
from ttrules.rulebook import Rulebook, shipped

if TYPE_CHECKING:
    from pathlib import Path

SLUGS = [name.lower().replace(" ", "-") for name in PROCESSES]
FILES: dict[str, Any] = {
    name: SPEC / f"{name}.yaml"
    for name in ("openapi", "requirements", "interpretation", "lifecycle")
}


class TestNames:
    """A process is given by its name or by its short form, everywhere."""

    def test_processes(self) -> None:
        """The processes are the matrix's columns, in their order."""
        assert ttrules.processes() == tuple(PROCESSES)

    @pytest.mark.parametrize(("slug", "name"), list(zip(SLUGS, PROCESSES, strict=True)))
    def test_both_forms(self, slug: str, name: str) -> None:
        """Both forms mean the same to every verb."""
        payload = payload_of(name)
        assert ttrules.validate(payload, slug) == ttrules.validate(payload, name)
        assert ttrules.is_valid(payload, slug)
        ttrules.check(payload, slug)
        assert ttrules.schema(slug) == ttrules.schema(name)
        assert ttrules.cell("Note", "text", slug) == ttrules.cell("Note", "text", name)
        assert shipped().slug(name) == shipped().slug(slug) == slug
        assert shipped().process(slug) == name
        assert shipped().rules(slug) is shipped().rules(name)
        assert shipped().accepts(slug)(payload)

    @pytest.mark.parametrize(
        "name", ["", "complaint", "COMPLAINT-ADD", "complaint_add", None, 5, [], {}, ("a",)]
    )
    def test_no_process(self, name: Any) -> None:
        """What names none is NoSuchProcess, a KeyError that carries the names there are."""
        calls: list[Any] = [
            lambda: ttrules.validate({}, name),
            lambda: ttrules.is_valid({}, name),
            lambda: ttrules.check({}, name),
            lambda: ttrules.schema(name),
            lambda: ttrules.cell("Note", "text", name),
        ]
        for call in calls:
            with pytest.raises(ttrules.NoSuchProcess) as caught:
                call()
            assert isinstance(caught.value, KeyError)
            assert caught.value.name == name
            assert caught.value.known == tuple(PROCESSES)


class TestCells:
    """A cell knows its row, its column, its code, the field's type and where it stands."""

    def test_one_cell(self) -> None:
        """A cell of the document, in full."""
        cell = ttrules.cell("TroubleTicket", "note", "complaint-add")
        assert cell == ttrules.Cell(
            entity="TroubleTicket",
            field="note",
            process="Complaint Add",
            requirement="O",
            type="Note[]",
            description=cell.description,
            source="Trouble Ticket API 1.6.0, Fields Description",
        )
        assert cell.description
        assert json.loads(json.dumps(cell.to_dict()))["type"] == "Note[]"
        assert set(cell.to_dict()) == set(cell.__slots__)

    @pytest.mark.parametrize(
        ("entity", "field", "type_"),
        [
            ("TroubleTicket", "creationDate", "date-time"),
            ("TroubleTicket", "priority", "integer"),
            ("TroubleTicket", "resolutionPaymentCode", None),
            ("AttachmentRefOrValue", "content", "byte"),
            ("AttachmentRefOrValue", "size", "Quantity"),
            ("Quantity", "amount", "float"),
        ],
    )
    def test_types(self, entity: str, field: str, type_: str | None) -> None:
        """A type is told as a person writes it; the document leaves one blank."""
        assert ttrules.cell(entity, field, PROCESSES[0]).type == type_

    def test_no_cell(self) -> None:
        """What the matrix has not is NoSuchCell, a KeyError with the names there are."""
        with pytest.raises(ttrules.NoSuchCell) as caught:
            ttrules.cell("Ticket", "note", PROCESSES[0])
        assert (caught.value.name, caught.value.known) == ("Ticket", tuple(MATRIX["entities"]))
        with pytest.raises(ttrules.NoSuchCell) as caught:
            ttrules.cell("Note", "date", PROCESSES[0])
        assert caught.value.name == "Note.date"
        assert caught.value.known == tuple(MATRIX["entities"]["Note"])
        assert isinstance(caught.value, KeyError)


class TestSchemas:
    """The compiled schema of a process is for anybody's use, and nobody's to change."""

    def test_copies(self) -> None:
        """Changing a schema that was given out changes no verdict and no other copy."""
        schema = ttrules.schema("complaint-add")
        before = deepcopy(schema)
        schema["properties"]["name"].clear()
        schema["required"].clear()
        assert ttrules.schema("complaint-add") == before
        assert not ttrules.is_valid({}, "complaint-add")

    def test_dialect(self) -> None:
        """It is JSON Schema 2020-12 and names the API, its version and the process."""
        schema = ttrules.schema("complaint-add")
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["title"] == "Trouble Ticket API 1.6.0: Complaint Add"


class TestNewTickets:
    """A new ticket belongs to the Add process that it names itself."""

    @pytest.mark.parametrize("process", PROCESSES[::2])
    def test_chosen(self, process: str) -> None:
        """The report is that of the process, whatever else is wrong."""
        payload = payload_of(process)
        assert ttrules.validate_new(payload) == ttrules.validate(payload, process)
        del payload["name"]
        report = ttrules.validate_new(payload)
        assert report == ttrules.validate(payload, process)
        assert report.process == process
        assert shipped().changing(stored(process)) == process.replace("Add", "Change")

    @pytest.mark.parametrize(
        ("members", "code"),
        [
            ({}, "required"),
            ({"ticketType": None}, "null"),
            ({"ticketType": 5}, "type"),
            ({"ticketType": ["Complaint"]}, "type"),
            ({"ticketType": ""}, "empty"),
            ({"ticketType": " \t"}, "empty"),
            ({"ticketType": "Praise"}, "enum"),
            ({"ticketType": "complaint"}, "enum"),
        ],
    )
    def test_none_chosen(self, members: dict[str, Any], code: str) -> None:
        """That no process is named is the one finding; the report is of none."""
        for engine in ("fast", "reference"):
            report = ttrules.validate_new({"name": 5, **members}, engine=engine)
            assert report.process is None
            (finding,) = report
            assert finding[:7] == (
                "error",
                code,
                "/ticketType",
                "TroubleTicket",
                "ticketType",
                "R",
                None,
            )
            assert finding.message
        if code == "enum":
            assert finding.params == {"allowed": ["Customer_Trouble_Ticket", "Complaint"]}

    @pytest.mark.parametrize(("payload", "code"), [(None, "null"), ([], "type"), ("x", "type")])
    def test_no_object(self, payload: Any, code: str) -> None:
        """What is no object is the finding on the whole, about no field."""
        (finding,) = ttrules.validate_new(payload)
        assert finding[:6] == ("error", code, "", "TroubleTicket", None, None)
        assert finding.params == ({"expected": ["object"]} if code == "type" else {})


class TestReading:
    """A book is read from compiled JSON; anything else is a SpecError with the file's name."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Give a folder with the shipped rules."""
        book = shipped()
        (tmp_path / "book.json").write_text(json.dumps(book.matrix.to_json()), "utf-8")
        for slug in SLUGS:
            (tmp_path / f"{slug}.json").write_text(json.dumps(book.schema(slug)), "utf-8")
        return tmp_path

    def test_read(self, folder: Path) -> None:
        """A book that was written gives the same reports, from a path or its text."""
        payload = {**payload_of(PROCESSES[2]), "name": 5}
        for where in (folder, str(folder)):
            report = Rulebook.read(where).validate(payload, PROCESSES[2])
            assert report == ttrules.validate(payload, PROCESSES[2])

    @pytest.mark.parametrize(
        ("content", "file"),
        [
            (b"{", "book.json"),
            (b"\xff", "book.json"),
            (b"{}", "book.json"),
            (b"[]", "book.json"),
            (b"null", "book.json"),
            (b'{"book": 0}', "book.json"),
            (f'{{"book": {BOOK_FORMAT}}}'.encode(), "book.json"),
            (f'{{"book": {BOOK_FORMAT}, "processes": [5]}}'.encode(), "book.json"),
            (None, "book.json"),
        ],
    )
    def test_no_book(self, folder: Path, content: bytes | None, file: str) -> None:
        """What cannot be read, is no JSON, or is of another form is told of that file."""
        (folder / "book.json").unlink()
        if content is not None:
            (folder / "book.json").write_bytes(content)
        with pytest.raises(ttrules.SpecError) as caught:
            Rulebook.read(folder)
        (problem,) = caught.value.problems
        assert problem.file == str(folder / file)

    def test_other_form(self, folder: Path) -> None:
        """A book that another release has written in another form is not read."""
        data = {**shipped().matrix.to_json(), "book": BOOK_FORMAT + 1}
        (folder / "book.json").write_text(json.dumps(data), "utf-8")
        with pytest.raises(ttrules.SpecError):
            Rulebook.read(folder)

    def test_schema_missing(self, folder: Path) -> None:
        """A schema that is not there is told by its own name."""
        (folder / "complaint-add.json").unlink()
        with pytest.raises(ttrules.SpecError) as caught:
            Rulebook.read(folder)
        assert caught.value.problems[0].file == str(folder / "complaint-add.json")


class TestLoading:
    """`load` makes a book of spec files: the same verbs, other rules."""

    def test_shipped_spec(self) -> None:
        """The shipped spec gives the shipped book."""
        book = ttrules.load(**FILES)
        assert book.matrix == shipped().matrix
        assert [book.schema(slug) for slug in SLUGS] == [ttrules.schema(slug) for slug in SLUGS]

    def test_without_interpretation(self) -> None:
        """Without an interpretation nothing is chosen, nothing is conditional, all else holds."""
        book = ttrules.load(openapi=FILES["openapi"], requirements=FILES["requirements"])
        payload = payload_of(PROCESSES[0])
        report = book.validate(payload, PROCESSES[0])
        assert report.valid
        assert {each.pointer.rpartition("/")[2] for each in report.undetermined} == {
            "id",
            "externalId",
            "provisioningStatus",
            "provisioningComment",
        }
        assert book.validate(payload, PROCESSES[0], engine="reference") == report
        assert book.lifecycle is None
        with pytest.raises(ttrules.ProcessNotSelected):
            book.validate_new(payload)
        with pytest.raises(ttrules.ProcessNotSelected):
            book.validate_change(stored(PROCESSES[0]), {"@type": "x"})

    def test_without_lifecycle(self) -> None:
        """Without a lifecycle a ticket may move anywhere."""
        book = ttrules.load(**{name: FILES[name] for name in FILES if name != "lifecycle"})
        ticket = stored(PROCESSES[0])
        patch = {"@type": ticket["@type"], "status": "closed"}
        assert book.validate_change(ticket, patch).ticket == {**ticket, "status": "closed"}

    def test_policy(self) -> None:
        """The book's own policy for unsupported members holds where a call names none."""
        book = shipped()
        payload = {**payload_of(PROCESSES[0]), "channel": {}}
        policies: dict[Unsupported, int] = {"warn": 1, "error": 1, "ignore": 0}
        for policy, codes in policies.items():
            other = Rulebook(replace(book.matrix, unsupported=policy), book.schemas)
            report = other.validate(payload, PROCESSES[0])
            assert len(list(report)) == codes
            assert report.valid is (policy != "error")
            assert other.is_valid(payload, PROCESSES[0]) is report.valid
            assert other.validate(payload, PROCESSES[0], unsupported="warn").warnings


def test_process_of_the_model() -> None:
    """The model has the processes of its columns; another name is a KeyError."""
    matrix = shipped().matrix
    assert [matrix.process(name).name for name in matrix.names] == list(matrix.names)
    with pytest.raises(KeyError):
        matrix.process("No Such Process")


class TestChoices:
    """An unknown value of an argument is NoSuchChoice, which lists the known ones."""

    @pytest.mark.parametrize(
        ("argument", "known"),
        [("unsupported", ("warn", "error", "ignore")), ("engine", ("fast", "reference"))],
    )
    def test_unknown(self, argument: str, known: tuple[str, ...]) -> None:
        """Each function raises it, for a valid payload too."""
        payload = payload_of(PROCESSES[0])
        wrong: dict[str, Any] = {argument: "eror"}
        book = shipped()
        for ask in (
            lambda: book.validate(payload, PROCESSES[0], **wrong),
            lambda: book.is_valid(payload, PROCESSES[0], **wrong),
            lambda: book.check(payload, PROCESSES[0], **wrong),
            lambda: book.validate_new(payload, **wrong),
            lambda: book.validate_new({}, **wrong),
            lambda: book.validate_change(stored(PROCESSES[0]), {}, **wrong),
        ):
            with pytest.raises(ttrules.NoSuchChoice) as caught:
                ask()
            assert caught.value == ttrules.NoSuchChoice(argument, "eror", known)

    def test_suggestion(self) -> None:
        """Its message names the closest one."""
        error = ttrules.NoSuchChoice("unsupported", "eror", ("warn", "error", "ignore"))
        assert "Did you mean error?" in str(error)
