"""The languages of sentences: each says all of it, with the same facts; only sentences differ."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ttrules
from tests.support.cells import payload_of, stored
from tests.support.oracle import PROCESSES
from ttrules import Finding, strategies
from ttrules.findings import of_condition
from ttrules.matrix import NEGATED, Condition, When
from ttrules.message import REASONS, reason
from ttrules.messages.catalogue import DEFAULT, NAMES, TABLES, catalogue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.matrix.conditions import Owner

PROCESS = PROCESSES[2]
OTHERS = [language for language in TABLES if language != DEFAULT]
SLOT = re.compile(r"\{(\w+)\}")


def slots(text: str) -> list[str]:
    """Return the slots of a text, sorted; one that stands twice is there twice."""
    return sorted(SLOT.findall(text))


def texts(table: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every text of a table by its key, those of all forms of number."""
    for key, value in table.items():
        for text in (value,) if isinstance(value, str) else value:
            yield key, text


@pytest.mark.parametrize("language", OTHERS)
class TestWhole:
    """Each language has all that English has, and nothing else."""

    @pytest.mark.parametrize("name", NAMES)
    def test_keys(self, language: str, name: str) -> None:
        """Each table has the keys of the English one, in its order."""
        table, english = getattr(catalogue(language), name), getattr(catalogue(), name)
        assert list(table) == list(english)

    @pytest.mark.parametrize("name", NAMES)
    def test_slots(self, language: str, name: str) -> None:
        """Each text has the slots of the English one, so that no fact is lost."""
        english = {key: slots(text) for key, text in texts(getattr(catalogue(), name))}
        for key, text in texts(getattr(catalogue(language), name)):
            assert slots(text) == english[key], key

    @pytest.mark.parametrize("name", NAMES)
    def test_translated(self, language: str, name: str) -> None:
        """No text is the English one, but for a name alone."""
        table, english = getattr(catalogue(language), name), getattr(catalogue(), name)
        assert {text for _, text in {*texts(table)} & {*texts(english)}} <= {"UUID (RFC 9562)"}

    def test_sentences(self, language: str) -> None:
        """A message begins as the English one does and ends as it does: it is a sentence."""
        for code, text in catalogue(language).messages.items():
            assert text.endswith(".")
            assert text[0].isupper()
            assert not re.search(r"\s\s|\s[.,:]", text), code

    def test_counts(self, language: str) -> None:
        """There is a form for every count, and each form is used."""
        words = catalogue(language)
        for forms in words.counts.values():
            assert {words.plural(count) for count in range(200)} == set(range(len(forms)))


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "0 błędów"),
        (1, "1 błąd"),
        (2, "2 błędy"),
        (4, "4 błędy"),
        (5, "5 błędów"),
        (12, "12 błędów"),
        (14, "14 błędów"),
        (21, "21 błędów"),
        (22, "22 błędy"),
        (101, "101 błędów"),
        (112, "112 błędów"),
        (1_003, "1003 błędy"),
    ],
)
def test_polish_counts(count: int, told: str) -> None:
    """Polish has three forms of number, by the last two digits."""
    assert catalogue("pl").counted("errors", count) == told


class TestPolish:
    """What some findings are in Polish, word by word."""

    @pytest.mark.parametrize(
        ("members", "told"),
        [
            ({"name": ...}, "Wyślij pole name: w procesie Complaint Add jest wymagane."),
            ({"id": "1"}, "Usuń pole id: w procesie Complaint Add jest zabronione."),
            (
                {"channel": {}},
                (
                    "Nie wysyłaj pola channel: w procesie Complaint Add nie jest obsługiwane, więc"
                    " nie zostanie użyte ani zapisane."
                ),
            ),
            (
                {"nam": 1},
                "Sprawdź nazwę nam: obiekt TroubleTicket nie ma takiego pola. Czy chodziło o name?",
            ),
            ({"priority": "x"}, "Wyślij priority jako liczbę całkowitą."),
            (
                {"priority": 11},
                "Podaj w polu priority wartość z dozwolonego zakresu (minimum 1, maximum 10).",
            ),
            (
                {"severity": "x"},
                "Wpisz w polu severity jedną z wartości: High, Medium, Low.",
            ),
            (
                {"relatedEntity": [{"@referredType": "x", "role": "x"}]},
                "W obiekcie RelatedEntity: wyślij co najmniej jedno z pól id, externalId.",
            ),
        ],
    )
    def test_message(self, members: dict[str, Any], told: str) -> None:
        """A finding is a sentence in the imperative that leaves names as they are."""
        payload = {**payload_of(PROCESS), **members}
        payload = {name: value for name, value in payload.items() if value is not ...}
        (finding,) = ttrules.validate(payload, PROCESS)
        assert finding.message_in("pl") == told

    def test_no_process(self) -> None:
        """A payload that selects no process is reported as a new ticket, or perhaps a change."""
        (finding,) = ttrules.validate_new({}).violations
        changes = ["customer-trouble-ticket-change", "complaint-change"]
        assert finding.params == {"changes": changes}
        for language in ("en", "pl"):
            assert ", ".join(changes) in finding.message_in(language)
        (finding,) = ttrules.validate_new([]).violations
        assert finding.message_in("pl") == "Wyślij dokument jako obiekt."

    def test_format(self) -> None:
        """A format that is known is told in the language, a pattern of one's own as it is."""
        params = {"format": "date", "expected": "an RFC 3339 full-date (YYYY-MM-DD)"}
        finding = Finding("error", "format", "/a", "E", "a", "R", "P", params)
        told = "Zapisz pole a jako pełną datę według RFC 3339 (RRRR-MM-DD)."
        assert finding.message_in("pl") == told
        own = finding._replace(params={"format": "pattern", "expected": "^[A-Z]$"})
        assert own.message_in("pl") == "Zapisz pole a jako ^[A-Z]$."

    @pytest.mark.parametrize(
        ("params", "told"),
        [
            ({}, "o polu a rozstrzyga warunek, którego nie zadeklarowano"),
            (
                {
                    "relation": "if_then_any",
                    "fields": ["a", "b", "c"],
                    "when": {"of": "parent", "field": "d", "equals": "x"},
                },
                (
                    "gdy pole d obiektu nadrzędnego ma wartość x, jeśli wysyłasz pole a, wyślij też"
                    " co najmniej jedno z pól: b, c"
                ),
            ),
        ],
    )
    def test_condition(self, params: dict[str, Any], told: str) -> None:
        """A condition is told with its test, the names left as they are."""
        finding = Finding("error", "process_dependent", "/a", "E", "a", "PD", "P", params)
        assert finding.message_in("pl") == f"W obiekcie E: {told}."


@pytest.mark.parametrize("language", TABLES)
class TestEvery:
    """What holds for findings in every language."""

    @given(data=st.data())
    @settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow], deadline=None)
    def test_whole(self, language: str, data: st.DataObject) -> None:
        """Whatever is found, its sentence is filled, names the field and is the same each time."""
        process = data.draw(st.sampled_from(PROCESSES))
        payload, finding = data.draw(strategies.broken(process))
        for each in (finding, *ttrules.validate_new({**payload, "ticketType": None})):
            message = each.message_in(language)
            assert each.field is not None
            assert each.field in message
            assert not SLOT.search(message.replace(each.field, ""))
            assert message == each.message_in(language)

    @pytest.mark.parametrize("status", ["closed", "nonsense"])
    def test_last_status(self, language: str, status: str) -> None:
        """Where no status may follow, none is offered, and one that is unknown is not shown."""
        ticket = {**stored(PROCESS), "status": status}
        change = ttrules.validate_change(ticket, {"@type": ticket["@type"], "status": "held"})
        (finding,) = change.report.violations
        message = finding.message_in(language)
        assert "status" in message
        assert "nonsense" not in message
        assert not re.search(r"None|: \.", message)

    def test_only_sentences_differ(self, language: str) -> None:
        """Everything that programs read is the same in every language."""
        report = ttrules.validate({"colour": 1}, PROCESS)
        english, other = report.to_dict(), report.to_dict(language)
        assert other.keys() == english.keys()
        for severity in ("violations", "warnings", "undetermined"):
            for one, same, finding in zip(
                english[severity], other[severity], getattr(report, severity), strict=True
            ):
                assert same.pop("message") == finding.message_in(language)
                assert one.pop("message") == finding.message
                assert one == same


def test_english_is_usual() -> None:
    """English is what is told where no language is named."""
    (finding,) = ttrules.validate_new({}).violations
    assert finding.message == finding.message_in("en") == finding.to_dict()["message"]
    assert catalogue().language == "en"


@pytest.mark.parametrize("name", ["PL", "pl-PL", "polish", "", "de"])
def test_no_such_language(name: str) -> None:
    """A language that there is not is an error with those that there are."""
    report = ttrules.validate({}, PROCESS)
    for ask in (report.to_dict, report.violations[0].to_dict, report.violations[0].message_in):
        with pytest.raises(ttrules.NoSuchLanguage) as caught:
            ask(name)
        assert caught.value == ttrules.NoSuchLanguage(name, ["en", "pl"])
        assert "en, pl" in str(caught.value)


class TestMessage:
    """A reason is a frozen value that can be rendered in each language."""

    REASON = reason("operation", index=3, why=reason("nothing_at", path="/a"))

    def test_text(self) -> None:
        """As text it is the English sentence."""
        assert str(self.REASON) == "operation 3 cannot be applied: no value at /a"
        assert catalogue().render(self.REASON) == str(self.REASON)

    def test_again(self) -> None:
        """In another language what fills it is told in that one too; other texts stay."""
        words = catalogue("pl")
        assert words.render(self.REASON) == "operacji 3 nie można wykonać: brak wartości pod /a"

    @pytest.mark.parametrize(
        "again",
        [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))],  # noqa: S301 - our own
    )
    def test_copies(self, again: Any) -> None:
        """A copy, also one for another process, can be told as well."""
        assert again(self.REASON) == self.REASON
        assert catalogue("pl").render(again(self.REASON)) == catalogue("pl").render(self.REASON)

    def test_errors(self) -> None:
        """The text of an error that has a reason can be told in another language."""
        with pytest.raises(ttrules.NotJSON) as caught:
            ttrules.validate(float("nan"), PROCESS)
        assert str(caught.value) == f"not JSON at (the payload): {REASONS['not_finite']}"
        told = catalogue("pl").render(caught.value.message)
        assert told == "(dokument) to nie jest JSON: JSON nie zna NaN ani nieskończoności"
        with pytest.raises(ttrules.ProcessNotSelected) as unselected:
            ttrules.validate_change({"ticketType": "x"}, {})
        assert "zgłoszenia" in catalogue("pl").render(unselected.value.message)


@pytest.mark.parametrize("language", TABLES)
@pytest.mark.parametrize("of", ["self", "parent", "root"])
def test_conditions(of: Owner, language: str) -> None:
    """Each test of a condition has a sentence of its own, with the values as JSON has them."""
    values = {"exists": False, "in": ["a", True], "not_in": ["a", True]}
    tests = [(test, values.get(test, True)) for test in NEGATED]
    tests += [("contains", {"c": "a", "d": True}), ("not_contains", {"c": "a", "d": True})]
    told = []
    for test, value in tests:
        when = When(of=of, field="b", test=test, value=value)
        condition = Condition(
            entity="E", fields=("f",), relation="required", processes=(), when=when, reason=""
        )
        told.append(of_condition(condition, "f", None, None).message_in(language))
    assert len({*told}) == len(tests)
    assert all("true" in text and "True" not in text for text in told[1:])
    assert all("a" in text.split() or "a," in text.split() for text in told[-2:])


def test_loaded_when_asked_for() -> None:
    """English loads no other language, and validation loads none."""
    code = (
        "import sys, ttrules\n"
        "report = ttrules.validate_new({})\n"
        "report.to_dict()\n"
        "assert 'ttrules.messages.pl' not in sys.modules\n"
        "report.to_dict('pl')\n"
        "assert 'ttrules.messages.pl' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
