"""What `ttrules check` writes, in each of its formats."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import pytest

import ttrules as package
from ttrules.checking.reporters.base import tool
from ttrules.checking.run import FORMATS
from ttrules.cli.check import FORMATS as OFFERED
from ttrules.codes import MESSAGES

if TYPE_CHECKING:
    from tests.support.command_line import File, Run

FORMS = Path(package.__file__).parent / "schemas" / "report"


@pytest.fixture
def inputs(file: File, ticket: dict[str, Any], wrong: dict[str, Any]) -> list[Path]:
    """Give files with a valid, an invalid, a warned of and two unreadable payloads."""
    lines = [json.dumps(each) for each in (ticket, wrong, {**ticket, "colour": 1})]
    return [
        file("a b,c:d.jsonl", "\n".join([*lines, "{"])),
        file("one.json", json.dumps(ticket, indent=1)),
        file("empty.json", ""),
    ]


def form(name: str) -> jsonschema_rs.Draft202012Validator:
    """Return the validator of a published form."""
    schema = json.loads((FORMS / f"{name}.schema.json").read_bytes())
    jsonschema_rs.meta.validate(schema)
    return jsonschema_rs.Draft202012Validator(schema)


def test_offered() -> None:
    """Every format that the command line offers has its writer, and the reverse."""
    assert tuple(FORMATS) == OFFERED


def test_text(run: Run, file: File, ticket: dict[str, Any]) -> None:
    """Text names file, line and column of each finding and underlines the place."""
    text = json.dumps({**ticket, "origin": "Fax", "colour": "red"}, indent=2)
    lines = text.splitlines()
    path = file("a.json", text)
    ran = run("check", path)
    at = {
        name: next(i for i, line in enumerate(lines) if name in line)
        for name in ("origin", "colour")
    }
    told = [line for line in ran.out.splitlines() if line.startswith(str(path))]
    assert ran.code == 1
    assert [line.split(" ")[:3] for line in told] == [
        [f"{path}:{at['origin'] + 1}:13:", "error", "enum:"],
        [f"{path}:{at['colour'] + 1}:3:", "warning", "unknown_field:"],
    ]
    shown = [line for line in ran.out.splitlines() if line.startswith("    ")]
    assert shown == [
        "    " + lines[at["origin"]],
        "    " + " " * 12 + "^" * 5,
        "    " + lines[at["colour"]],
        "    " + " " * 2 + "^" * 8,
    ]
    assert ran.out.splitlines()[-1] == "1 payload, 1 invalid, 1 error, 1 warning"


def test_missing_field(run: Run, file: File, ticket: dict[str, Any]) -> None:
    """A missing member is shown where its object begins."""
    del ticket["relatedParty"][0]["role"]
    text = json.dumps(ticket)
    ran = run("check", "--format", "json", file("a.json", text))
    (finding,) = ran.json["results"][0]["findings"]
    begin = text.index("[{") + 2
    assert (finding["code"], finding["pointer"]) == ("required", "/relatedParty/0/role")
    assert (finding["column"], finding["end_column"]) == (begin, begin + 1)


def test_quiet(run: Run, inputs: list[Path]) -> None:
    """Quiet text has errors only, quiet success nothing."""
    ran = run("check", "--quiet", *inputs)
    assert ran.code == 3
    assert "warning" not in ran.out
    assert "payloads" not in ran.out
    assert run("check", "--quiet", inputs[1]) == (0, "", "")
    github = run("check", "--quiet", "--format", "github", *inputs).out.splitlines()
    assert [line.partition(" ")[0] for line in github] == ["error", "::error"] * 3


def test_json(run: Run, inputs: list[Path]) -> None:
    """JSON meets its published form; what is fine is only counted."""
    ran = run("check", "--format", "json", *inputs)
    form("json").validate(ran.json)
    assert [(each["index"], each["status"]) for each in ran.json["results"]] == [
        (1, "invalid"),
        (2, "valid"),
        (3, "unreadable"),
        (0, "unreadable"),
    ]
    assert ran.json["results"][0]["file"] == str(inputs[0])
    assert ran.json["summary"] == {
        "payloads": 4,
        "valid": 3,
        "invalid": 1,
        "unreadable": 2,
        "errors": 1,
        "warnings": 2,
        "undetermined": 0,
    }
    assert run("check", "--format", "json", inputs[1]).json["results"] == []


def test_jsonl(run: Run, inputs: list[Path]) -> None:
    """Each line of JSON lines meets their published form; together they say what JSON says."""
    lines = [
        json.loads(line) for line in run("check", "--format", "jsonl", *inputs).out.splitlines()
    ]
    for line in lines:
        form("jsonl").validate(line)
    whole = run("check", "--format", "json", *inputs).json
    versions = [line.pop("version") for line in lines]
    assert versions == [whole["version"]] * len(lines)
    assert lines == [*whole["results"], {"summary": whole["summary"]}]


@pytest.mark.parametrize(
    "wrong_line",
    [
        {"version": 2, "summary": {}},
        {"version": 1},
        {"version": 1, "summary": {}},
    ],
)
def test_forms_refuse(wrong_line: dict[str, Any]) -> None:
    """The published forms are not so wide that anything meets them."""
    assert not form("jsonl").is_valid(wrong_line)
    assert not form("json").is_valid(wrong_line)


def test_forms_name_every_code() -> None:
    """The published forms know the finding codes that there are."""
    for name in ("json", "jsonl"):
        schema = json.loads((FORMS / f"{name}.schema.json").read_bytes())
        known = schema["$defs"]["finding"]["properties"]["code"]["enum"]
        assert known == list(MESSAGES)


def test_junit(run: Run, inputs: list[Path]) -> None:
    """JUnit has a suite a file and a case a payload; errors fail it, warnings do not."""
    ran = run("check", "--format", "junit", *inputs)
    root = ET.fromstring(ran.out)  # noqa: S314 - our own output
    assert [dict(suite.attrib) for suite in root] == [
        {"name": str(inputs[0]), "tests": "4", "failures": "1", "errors": "1"},
        {"name": str(inputs[1]), "tests": "1", "failures": "0", "errors": "0"},
        {"name": str(inputs[2]), "tests": "1", "failures": "0", "errors": "1"},
    ]
    cases = [(case.attrib["name"], [each.tag for each in case]) for case in root[0]]
    assert cases == [
        ("payload 1", []),
        ("payload 2", ["failure", "system-out"]),
        ("payload 3", ["system-out"]),
        ("payload 4", ["error"]),
    ]


def test_junit_escapes(run: Run, file: File, ticket: dict[str, Any]) -> None:
    """Nothing that a payload holds breaks the XML."""
    path = file("a&<.json", {**ticket, '<&"\x00': 1})
    root = ET.fromstring(run("check", "--format", "junit", path).out)  # noqa: S314 - our own output
    assert root[0].attrib["name"] == str(path)


def test_sarif(run: Run, inputs: list[Path]) -> None:
    """SARIF 2.1.0 has one run with one result a finding, each with its rule and place."""
    log = run("check", "--format", "sarif", *inputs).json
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    (one,) = log["runs"]
    rules = {rule["id"] for rule in one["tool"]["driver"]["rules"]}
    assert rules == {*MESSAGES, "unreadable"}
    assert one["invocations"] == [{"executionSuccessful": False}]
    results = [(each["ruleId"], each["level"]) for each in one["results"]]
    assert results == [
        ("enum", "error"),
        ("unknown_field", "warning"),
        ("unknown_field", "warning"),
        ("unreadable", "error"),
        ("unreadable", "error"),
    ]
    for result in one["results"]:
        (location,) = result["locations"]
        region = location["physicalLocation"]["region"]
        assert set(region) == {"startLine", "startColumn", "endLine", "endColumn"}
        assert min(region.values()) >= 1
        assert result["message"]["text"]
    first = one["results"][0]["locations"][0]
    assert first["physicalLocation"]["artifactLocation"]["uri"] == inputs[0].as_uri()
    assert first["logicalLocations"] == [{"fullyQualifiedName": "/origin"}]


def test_sarif_names(
    run: Run, ticket: dict[str, Any], file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative name is a relative URI; standard input has a name of its own."""
    monkeypatch.chdir(file("a b.json", "{").parent)
    text = json.dumps({**ticket, "colour": 1}).encode()
    log = run("check", "--format", "sarif", "a b.json", "-", stdin=text).json
    places = [each["locations"][0]["physicalLocation"] for each in log["runs"][0]["results"]]
    assert [each["artifactLocation"]["uri"] for each in places] == ["a%20b.json", "stdin"]


def test_github(run: Run, inputs: list[Path]) -> None:
    """GitHub's commands name the place, with the signs escaped that they reserve."""
    lines = run("check", "--format", "github", *inputs).out.splitlines()
    name = str(inputs[0]).replace(":", "%3A").replace(",", "%2C")
    assert lines[1].startswith(f"::warning file={name},line=2,endLine=2,col=")
    assert lines[0].startswith(f"warning {inputs[0]}:2:")
    severities = [line.partition(" ")[0] for line in lines[:-1]]
    assert severities[::2] == [each.removeprefix("::") for each in severities[1::2]]
    assert severities[1::2] == ["::warning", "::error", "::warning", "::error", "::error"]


@pytest.mark.parametrize("form", ["text", "github"])
def test_order(run: Run, file: File, ticket: dict[str, Any], form: str) -> None:
    """Findings for people are in the order of their lines."""
    text = json.dumps({"zz": 1, **ticket, "severity": 1, "aa": 2, "priority": "x"}, indent=1)
    lines = run("check", "--format", form, file("a.json", text)).out.splitlines()
    found = [int(at[1]) for line in lines if (at := re.search(r"a\.json:(\d+):", line))]
    assert len(found) == 4
    assert found == sorted(found)


def test_github_name(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line of text can be read as a command, whatever the name of the file is."""
    monkeypatch.chdir(tmp_path)
    Path("::error::x").write_text("{}")
    lines = run("check", "--format", "github", "::error::x").out.splitlines()
    assert [line[:2] for line in lines if "x:" in line and "file=" not in line] == ["er"]


def test_github_lines(run: Run, file: File, ticket: dict[str, Any]) -> None:
    """GitHub takes columns for places within one line only."""
    text = json.dumps({**ticket, "relatedParty": {"a": {}}}, indent=1)
    (_, line, _) = run("check", "--format", "github", file("a.json", text)).out.splitlines()
    assert ",col=" not in line


def test_undetermined(run: Run, spec: Any, tmp_path: Path) -> None:
    """What nobody has declared is told as such, and makes nothing invalid."""
    files = spec({"Order": {"a": {"type": "string"}}}, {"Order": {"a": ["O/PD"]}})
    rules = tmp_path / "rules"
    run("compile", *files, "--out", rules)
    args = ("check", "--rules", rules, "--process", "order-add")
    assert run(*args, "-", stdin=b'{"a":""}').code == 0
    ran = run(*args, "-", "--format", "json", stdin=b'{"a":""}')
    form("json").validate(ran.json)
    assert ran.json["summary"]["undetermined"] == 1
    out = run(*args, "-", stdin=b'{"a":""}').out.splitlines()
    assert out[-1] == "1 payload, 1 valid, 1 undetermined"


def test_version_of_the_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports carry the version that is installed, or say that none is."""
    monkeypatch.setattr(metadata, "version", lambda name: f"7 of {name}")
    assert tool() == {"name": "ttrules", "version": "7 of ttrules"}

    def missing(name: str) -> str:
        """Know of no package."""
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert tool() == {"name": "ttrules", "version": "unknown"}


def test_names_that_are_no_text(run: Run, tmp_path: Path) -> None:
    """A file whose name is not UTF-8 is told with its bytes escaped."""
    path = Path(str(tmp_path) + "/\udcff.json")
    path.write_text("{")
    for name in OFFERED:
        ran = run("check", "--format", name, path)
        assert ran.code == 3
        assert "\\xff" in ran.out or "%5Cxff" in ran.out
