"""Processes selected by operations, values and roots: new payloads, changes and replacements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.order_spec import SPECS, Spec, by_field, spec
from tests.support.readings import found
from ttrules.errors import NoSuchProcess, ProcessNotSelected

if TYPE_CHECKING:
    from pathlib import Path

    from ttrules import Rulebook
    from ttrules.codes import Engine

ENGINES: tuple[Engine, ...] = ("fast", "reference")
REMOVAL = "removal: {allowed_when: optional_in_both, reason: x}\n"
IMMUTABLE = "immutable: {fields: {Order: [kind]}, reason: x}\n"


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rulebook]:
    """Return the rulebook of each spec."""
    return {name: each.load(tmp_path_factory.mktemp("spec")) for name, each in SPECS.items()}


@pytest.mark.parametrize(
    ("name", "payload", "process", "findings"),
    [
        ("one process", [], "Order", {("", "type")}),
        ("one process", {"kind": "gift"}, "Order", set()),
        ("operations", {}, "Create", {("/kind", "required")}),
        ("values", {}, "Rest", set()),
        ("values", {"kind": None}, "Rest", {("/kind", "null")}),
        ("values", {"kind": "bulk"}, "Several", set()),
        ("values", {"kind": "other"}, "Rest", set()),
        ("values", {"kind": "gifts"}, None, {("/kind", "enum")}),
        ("values", {"kind": 1}, None, {("/kind", "type")}),
        ("values", [], "Rest", {("", "type")}),
        ("boolean", {"kind": "gift", "express": True}, "Fast", set()),
        ("boolean", {"kind": "gift", "express": 1}, None, {("/express", "type")}),
        ("integer", {"kind": "gift", "priority": 1.0}, "High", set()),
        ("integer", {"kind": "gift", "priority": True}, None, {("/priority", "type")}),
        ("integer", {"kind": "gift", "priority": 4}, None, {("/priority", "enum")}),
        ("integer", {"kind": "gift", "priority": 1.5}, None, {("/priority", "type")}),
        ("integer", {"kind": "gift"}, None, {("/priority", "required")}),
        ("nested", {"kind": "gift", "to": {"zone": "home"}}, "Home", set()),
        ("nested", {"to": {"zone": "away"}}, None, {("/to/zone", "enum")}),
        ("nested", {"to": {}}, None, {("/to/zone", "required")}),
        ("nested", {"to": {"zone": None}}, None, {("/to/zone", "null")}),
        ("nested", {"to": "x"}, None, {("/to", "type")}),
        ("nested", {}, None, {("/to", "required")}),
        ("nested", None, None, {("", "null")}),
        ("one value", {}, "Only", set()),
        ("one value", {"kind": "gift"}, None, {("/kind", "enum")}),
        ("roots", {"label": "x"}, "Create", {("/owner", "required")}),
    ],
)
def test_new(
    name: str,
    payload: Any,
    process: str | None,
    findings: set[tuple[str, str]],
    books: dict[str, Rulebook],
) -> None:
    """A new payload selects its process, or the only finding tells why not."""
    report = books[name].validate_new(payload)
    shown = {each for each in found(report) if each[1] != "process_dependent"}
    assert (report.process, shown) == (process, findings)


def test_parameters_of_unselected(books: dict[str, Rulebook]) -> None:
    """The finding on the selecting field names all values, and the changes without it."""
    (finding,) = books["values"].validate_new({"kind": "x"}).violations
    assert finding.params == {"allowed": ["plain", "gift", "bulk", "other"]}
    assert (finding.entity, finding.field, finding.requirement) == ("Order", "kind", "O")
    (finding,) = books["integer"].validate_new({}).violations
    assert finding.params == {"changes": ["update"]}
    (finding,) = books["nested"].validate_new({"to": {}}).violations
    assert (finding.entity, finding.field) == ("Address", "zone")
    assert finding.params == {"changes": ["homechange", "abroadchange"]}


def test_no_changes(tmp_path: Path) -> None:
    """Where there are no changes, a payload without the selecting field is not said to be one."""
    selection = by_field("kind", A="operation: add, value: gift", B="operation: add, value: bulk")
    (finding,) = spec(selection, "A", "B", kind="R").load(tmp_path).validate_new({}).violations
    assert (finding.code, finding.pointer, finding.params) == ("required", "/kind", {})
    assert "kind" in finding.message


def test_named(books: dict[str, Rulebook]) -> None:
    """A caller who knows the process names it, by name or slug."""
    book = books["values"]
    assert book.validate_new({"kind": "other"}, process="rest").process == "Rest"
    assert found(book.validate_new({"kind": "plain"}, process="Rest")) == {("/kind", "enum")}
    assert book.validate_change({}, {"kind": "gift"}, process="update").report.process == "Update"
    for call in (
        book.validate_new,
        lambda _, process: book.validate_change({}, {}, process=process),
    ):
        with pytest.raises(NoSuchProcess):
            call({}, process="updates")


@pytest.mark.parametrize("process", ["Create", "Cancel"])
def test_no_process_for_changes(process: str, books: dict[str, Rulebook]) -> None:
    """A payload of a creation or an action changes no stored resource."""
    with pytest.raises(ProcessNotSelected) as caught:
        books["roots"].validate_change({}, {}, process=process)
    assert caught.value.message.params == {"process": process}


def test_several_may_apply(tmp_path: Path) -> None:
    """If several roots or requests are created, the caller must name the process."""
    files = SPECS["roots"]
    book = Spec(files.requirements).load(tmp_path)  # Cancel is a POST, like Create
    assert not book.selects_new
    with pytest.raises(ProcessNotSelected) as caught:
        book.validate_new({"label": "x"})
    assert caught.value.message.params == {"processes": "Create, Cancel"}
    assert book.validate_new({"label": "x"}, process="create").process == "Create"
    several = "Change: {operation: change}, Extend: {operation: change, request: PUT /orders/{id}}"
    for rules, selected in (
        (several, "Change"),
        (several.replace("change}", 'change, request: "PATCH /orders/{id}"}', 1), None),
    ):
        quoted = rules.replace("PUT /orders/{id}", '"PUT /orders/{id}"')
        selection = f"{{reason: x, processes: {{Add: {{operation: add}}, {quoted}}}}}"
        book = spec(selection, "Add", "Change", "Extend").load(tmp_path)
        if selected is not None:
            assert book.changing({}) == selected
            continue
        with pytest.raises(ProcessNotSelected) as caught:
            book.changing({})
        assert caught.value.message.params == {"processes": "Change, Extend"}
    assert book.validate_change({"kind": "gift"}, {}, process="Extend").report.process == "Extend"


def test_no_selection(tmp_path: Path) -> None:
    """Several processes without a selection: there is no process for a new payload or a change."""
    book = spec("", "One", "Two").load(tmp_path)
    assert not book.selects_new
    for call in (lambda: book.validate_new({}), lambda: book.validate_change({}, {})):
        with pytest.raises(ProcessNotSelected):
            call()


def test_long_lists(books: dict[str, Rulebook]) -> None:
    """The test of a list reads all of its items, however long it is."""
    book = books["operations"]
    parties = [{"role": "buyer", "licence": str(number)} for number in range(500)]
    order = {"kind": "gift", "parties": parties}
    for engine in ENGINES:
        assert book.validate(order, "create", engine=engine).valid
    for place in (0, 30, 499):
        carriers = [*parties]
        carriers[place] = {"role": "carrier", "name": "Ann", "licence": "x"}
        for engine in ENGINES:
            report = book.validate({**order, "parties": carriers}, "create", engine=engine)
            assert found(report) == {("/card", "process_dependent")}


class TestChanges:
    """A change is validated by the process that the resulting resource selects."""

    def test_by_the_operation(self, books: dict[str, Rulebook]) -> None:
        """The operation alone selects the process, whatever is stored."""
        change = books["operations"].validate_change({"kind": "gift", "id": "1"}, {"state": "open"})
        assert change.report.process == "Update"
        assert change.ticket == {"kind": "gift", "id": "1", "state": "open"}

    def test_one_process(self, books: dict[str, Rulebook]) -> None:
        """A matrix of one process has it for changes, too."""
        change = books["one process"].validate_change({"kind": "gift", "id": "1"}, {"id": "2"})
        assert found(change.report) == {("/id", "prohibited")}

    @pytest.mark.parametrize(
        ("stored", "patch", "process"),
        [
            ({"to": {"zone": "home"}}, {}, "HomeChange"),
            ({"to": {"zone": "home"}}, {"to": {"zone": "abroad"}}, "AbroadChange"),
            ({"to": {"zone": "home"}}, {"to": None}, "AbroadChange"),
            ({}, {"to": {"zone": "home"}}, "HomeChange"),
            ({}, [{"op": "add", "path": "/to", "value": {"zone": "home"}}], "HomeChange"),
        ],
    )
    def test_by_the_result(
        self, stored: Any, patch: Any, process: str, books: dict[str, Rulebook]
    ) -> None:
        """It is the resulting value that counts; what has none is for `otherwise`."""
        assert books["nested"].validate_change(stored, patch).report.process == process

    def test_all_values_are_listed(self, books: dict[str, Rulebook]) -> None:
        """A value of no process is reported with the values of all of them."""
        stored = {"kind": "gift", "express": True}
        change = books["boolean"].validate_change(stored, {"express": 3})
        assert found(change.report) == {("/express", "type")}
        change = books["nested"].validate_change(
            {"kind": "gift", "to": {"zone": "home"}}, {"to": {"zone": "x"}}
        )
        (finding,) = change.report.violations
        assert finding.params == {"allowed": ["home", "abroad"]}

    def test_stored_without_process(self, tmp_path: Path) -> None:
        """A stored resource whose value selects nothing is not changed."""
        selection = by_field(
            "kind",
            Add="operation: add, value: plain",
            A="operation: change, values: [plain, gift]",
            B="operation: change, value: bulk",
        )
        book = spec(selection, "Add", "A", "B").load(tmp_path)
        with pytest.raises(ProcessNotSelected) as caught:
            book.validate_change({"kind": "other"}, {})
        assert caught.value.message.params == {
            "field": "kind",
            "wanted": "'plain', 'gift', 'bulk'",
        }

    def test_the_add_process_of_the_result(self, tmp_path: Path) -> None:
        """The result must satisfy the Add process that it selects, not any other."""
        selection = by_field(
            "kind",
            Plain="operation: add, value: plain",
            Gift="operation: add, otherwise: true",
            Change="operation: change",
        )
        files = spec(selection, "Plain", "Gift", "Change", kind="O", state="R O O")
        book = Spec(files.requirements, files.interpretation + REMOVAL).load(tmp_path)
        gift = book.validate_change({"kind": "gift"}, {"kind": "plain"})
        assert found(gift.report) == {("/state", "required")}
        assert book.validate_change({"kind": "gift"}, {"kind": "bulk"}).report.valid
        # Null removes only what every Add process leaves optional.
        assert found(book.validate_change({"kind": "gift"}, {"state": None}).report) == {
            ("/state", "null")
        }
        removed = book.validate_change({"kind": "gift", "priority": 1}, {"priority": None})
        assert removed.ticket == {"kind": "gift"}

    def test_roots(self, books: dict[str, Rulebook]) -> None:
        """A change with another root: its own rows, and those of the process that `add` names."""
        book = books["roots"]
        stored = {"id": "7", "label": "x", "owner": {"role": "buyer", "name": "Ann"}}
        change = book.validate_change(stored, {"label": "y", "owner": {"role": "seller"}})
        assert found(change.report) == {("/owner/licence", "process_dependent")}
        change = book.validate_change(stored, {"owner": {"role": "seller", "licence": "1"}})
        owner = {"role": "seller", "licence": "1", "name": "Ann"}
        assert change.ticket == {**stored, "owner": owner}
        assert found(book.validate_change(stored, {"why": "x"}).report) == {
            ("/why", "unknown_field"),
            ("/mark", "process_dependent"),
            ("/owner/licence", "process_dependent"),
        }
        by_list = [{"op": "remove", "path": "/label"}]
        assert ("/label", "required") in found(book.validate_change(stored, by_list).report)
        assert book.accepted({"label": "x", "mark": "y"}, "Create") == {"label": "x"}

    def test_append_only(self, tmp_path: Path) -> None:
        """A list of any root may be append-only."""
        selection = by_field("", Create="operation: add", Update="operation: change")
        section = "append_only: {fields: {Order: [parties]}, reason: x}\n"
        files = spec(selection, "Create", "Update", conditions=section)
        roots = "roots: {Create: Cancel, Update: Order}"
        requirements = files.requirements.replace("root: Order", roots)
        requirements += '  Cancel: {why: [R, "-"], note: [O, "-"]}\n'
        book = Spec(requirements, files.interpretation).load(tmp_path)
        stored = {"kind": "gift", "parties": [{"role": "buyer", "name": "Ann"}]}
        for path in ("/parties/0/name", "/parties/0"):
            change = book.validate_change(stored, [{"op": "remove", "path": path}])
            assert [
                (each.pointer, each.entity, each.field)
                for each in change.report.violations
                if each.code == "immutable"
            ] == [(path, *(("Party", "name") if "name" in path else ("Order", "parties")))]

    def test_values_of_the_process(self, tmp_path: Path) -> None:
        """A process that the selecting field does not select accepts its own values."""
        selection = by_field(
            "kind",
            Add="operation: add, value: plain",
            A="operation: change, values: [plain, gift]",
            B="operation: change, value: bulk",
            Extend='operation: change, request: "PUT /orders/{id}"',
        )
        book = spec(selection, "Add", "A", "B", "Extend").load(tmp_path)
        for process, allowed in (
            ("A", ["plain", "gift", "bulk"]),
            ("Extend", ["plain", "gift", "bulk", "other"]),
        ):
            change = book.validate_change({"kind": "plain"}, {"kind": "x"}, process=process)
            assert [each.params["allowed"] for each in change.report] == [allowed]


class TestReplacement:
    """A payload that replaces a stored resource is all of it that the sender may set."""

    @pytest.fixture
    def book(self, tmp_path: Path) -> Rulebook:
        """Return a rulebook with a process that replaces."""
        files = SPECS["operations"]
        more = "append_only: {fields: {Order: [parties]}, reason: x}\n"
        return Spec(files.requirements, files.interpretation + IMMUTABLE + more).load(tmp_path)

    def test_whole(self, book: Rulebook) -> None:
        """What is left out is removed; what the sender cannot set stays."""
        stored = {"id": "1", "kind": "gift", "state": "open", "other": 1}
        change = book.validate_change(stored, {"priority": 2}, process="Put")
        assert change.report.valid
        assert change.ticket == {"id": "1", "kind": "gift", "other": 1, "priority": 2}

    @pytest.mark.parametrize(
        ("sent", "findings"),
        [
            ({"id": "2"}, {("/id", "prohibited")}),
            ({"kind": "bulk"}, {("/kind", "immutable")}),
            ({"state": "done"}, {("/reason", "process_dependent")}),
            ([{"op": "remove", "path": "/kind"}], {("", "type")}),
        ],
    )
    def test_findings(self, sent: Any, findings: set[tuple[str, str]], book: Rulebook) -> None:
        """Codes, conditions and immutable members apply; a list is not a JSON Patch."""
        stored: dict[str, Any] = {"id": "1", "kind": "gift"}
        change = book.validate_change(stored, sent, process="Put")
        assert found(change.report) == findings
        assert change.ticket == stored

    def test_append_only(self, book: Rulebook) -> None:
        """A list that only grows cannot be left out; stored items need not be sent."""
        seller = {"role": "seller", "licence": "1"}
        stored = {"id": "1", "kind": "gift", "parties": [seller]}
        assert found(book.validate_change(stored, {}, process="Put").report) == {
            ("/parties", "immutable")
        }
        sent = {"parties": [{**seller, "role": "buyer"}]}
        assert book.validate_change(stored, sent, process="Put").ticket["parties"] == [
            seller,
            *sent["parties"],
        ]

    def test_the_only_process(self, tmp_path: Path) -> None:
        """If only a replacement is declared, it is for new resources and for changes."""
        book = spec(by_field("", Put="operation: replace"), "Put").load(tmp_path)
        assert book.validate_new({"kind": "gift"}).process == "Put"
        assert book.changing({}) == "Put"
