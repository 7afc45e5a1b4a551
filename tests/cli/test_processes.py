"""The command line and processes: how one is selected, and what an unknown or missing one gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.order_spec import SPECS, spec
from ttrules.spec.directory import files_of, publish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import Run
    from tests.support.order_spec import Spec


def compiled(files: Spec, folder: Path) -> Path:
    """Return a directory with the compiled rules of a spec."""
    rules = folder / "rules"
    publish(files_of(files.load(folder).matrix), str(rules))
    return rules


@pytest.mark.parametrize(
    ("name", "lines", "processes"),
    [
        ("one process", ['{"kind":"gift"}', '{"kind":"x"}'], [None, "Order"]),
        ("operations", ['{"kind":"gift"}', "{}", "[]"], [None, "Create", "Create"]),
        ("values", ['{"kind":"gift"}', '{"kind":"bulk","id":"1"}', '{"id":"1"}', '{"kind":0}'],
         [None, "Several", "Rest", None]),
        ("nested", ['{"kind":"gift","to":{"zone":"home"}}', '{"id":"1","to":{"zone":"abroad"}}'],
         [None, "Abroad"]),
        ("integer", ['{"kind":"gift","priority":1}', '{"id":"1","priority":2}'], [None, "Low"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_auto(  # noqa: PLR0917 - a row and two fixtures
    name: str,
    lines: list[str],
    processes: list[str | None],
    engine: str,
    run: Run,
    tmp_path: Path,
) -> None:
    """Without --process each payload is checked in the process that it selects."""
    rules = compiled(SPECS[name], tmp_path)
    stdin = "\n".join(lines).encode()
    ran = run("check", "--rules", rules, "--engine", engine, "--format", "jsonl", "-", stdin=stdin)
    results = [json.loads(line) for line in ran.out.splitlines()]
    selected = {each["index"]: each["process"] for each in results if "index" in each}
    assert [selected.get(index) for index in range(len(lines))] == processes


def test_against(run: Run, tmp_path: Path) -> None:
    """A change is checked against the stored resource by the only process, too."""
    rules, stored = compiled(SPECS["one process"], tmp_path), tmp_path / "stored.json"
    stored.write_text('{"kind": "gift"}')
    ran = run("check", "--rules", rules, "--against", stored, "-", stdin=b'{"id":"1"}')
    assert ran.code == 1
    assert "/id" in ran.out


def test_none_is_chosen(run: Run, tmp_path: Path) -> None:
    """If the rules choose no process, the usage error names those that --process takes."""
    rules = compiled(spec("", "One", "Order Two"), tmp_path)
    ran = run("check", "--rules", rules, "-", stdin=b"{}")
    assert ran.code == 2
    assert "one, order-two" in ran.err


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Complaint add", "complaint-add"),
        ("complaint_add", "complaint-add"),
        ("COMPLAINT-ADD", "complaint-add"),
        ("complaint-ad", "complaint-add"),
        ("ComplaintChange", "complaint-change"),
        ("customer trouble ticket change", "customer-trouble-ticket-change"),
        ("xyz", None),
        ("x" * 100_000, None),
    ],
)
@pytest.mark.parametrize("command", [("check", "--process"), ("example",), ("schema",)])
def test_unknown(command: tuple[str, ...], name: str, near: str | None, run: Run) -> None:
    """An unknown process is a usage error of its command, with the nearest slug and all slugs."""
    ran = run(*command, name, *(("-",) if command[0] == "check" else ()))
    assert ran.code == 2
    assert ran.err.startswith(f"Usage: ttrules {command[0]} ")
    assert (f"Did you mean {near}?" in ran.err) is (near is not None)
    assert "complaint-change (Complaint Change)" in ran.err


def test_perhaps_a_change(run: Run) -> None:
    """A payload without the selecting field may be a change: the text says how to check it."""
    ran = run("check", "-", stdin=b'{"description": "x"}')
    assert ran.code == 1
    for said in ("complaint-change", "--process complaint-change", "--against"):
        assert said in ran.out
    polish = run("check", "--lang", "pl", "-", stdin=b'{"description": "x"}')
    assert "--process complaint-change" in polish.out
