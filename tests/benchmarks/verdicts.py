"""How long a verdict takes, beside the same verdict of other validators.

Measured in one process, on tickets that are parsed already.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema_rs

import ttrules
from tests.benchmarks.peers import BARE, Peer, peers
from tests.benchmarks.tickets import PROCESS, broken, broken_in_values, large, mixed, small
from tests.benchmarks.timing import Target, Times, seconds, show, show_targets, take_turns

if TYPE_CHECKING:
    from collections.abc import Callable

OURS = "ttrules.is_valid"
REPORT = "ttrules.validate"
PARSING = "json.loads"


def main(*, quick: bool = False) -> list[Target]:
    """Print how long verdicts take, and return the targets."""
    budget = 2.0 if quick else 10.0
    schema = ttrules.schema(PROCESS)
    others = peers(schema)
    tickets = {"1 KB": small(), "1 MB": large()}
    times = {name: _times(ticket, others, budget) for name, ticket in tickets.items()}
    _show_verdicts(tickets, times, others)
    errors = _times_of_findings(schema, budget)
    one = times["1 KB"]
    return [
        Target("is_valid, beside bare jsonschema-rs", one.ratio(OURS, BARE), 1.3),
        Target(
            "is_valid, quicker than jsonschema by",
            one.ratio("jsonschema", OURS),
            150,
            at_least=True,
        ),
        Target("is_valid, quicker than pydantic by", one.ratio("pydantic", OURS), 4, at_least=True),
        Target("is_valid, beside json.loads of its bytes", one.ratio(OURS, PARSING), 1),
        Target("validate, beside bare is_valid", one.ratio(REPORT, BARE), 2),
        Target("validate with four findings, beside iter_errors", errors, 2),
    ]


def _times(ticket: dict[str, Any], others: list[Peer], budget: float) -> Times:
    text = json.dumps(ticket, ensure_ascii=False, separators=(",", ":")).encode()
    is_valid, validate, loads = ttrules.is_valid, ttrules.validate, json.loads
    calls: dict[str, Callable[[], object]] = {
        OURS: lambda: is_valid(ticket, PROCESS),
        REPORT: lambda: validate(ticket, PROCESS),
        **{peer.name: _asking(peer.is_valid, ticket) for peer in others},
        PARSING: lambda: loads(text),
    }
    assert ttrules.is_valid(ticket, PROCESS)
    assert all(peer.is_valid(ticket) for peer in others)
    return take_turns(calls, budget)


def _asking(is_valid: Callable[[Any], bool], ticket: object) -> Callable[[], bool]:
    return lambda: is_valid(ticket)


def _show_verdicts(tickets: dict[str, Any], times: dict[str, Times], others: list[Peer]) -> None:
    differing = _differing(others)
    rows = []
    for name in times["1 KB"].taken:
        row = [name]
        for size in tickets:
            row += [seconds(times[size].median(name)), f"{times[size].ratio(name, OURS):.2f}"]
        rows.append([*row, differing.get(name, "")])
    show(("a valid ticket", "1 KB", "x ours", "1 MB", "x ours", "other verdicts"), rows)
    for peer in others:
        print(f"  {peer.name} leaves out: {peer.lacks}.")
    print()


def _differing(others: list[Peer], count: int = 1000) -> dict[str, str]:
    """Return on how many made-up tickets a peer's verdict is another than ours."""
    drawn = mixed(count)
    ours = [ttrules.is_valid(ticket, PROCESS) for ticket in drawn]
    return {
        peer.name: f"{sum(peer.is_valid(t) is not v for t, v in zip(drawn, ours, strict=True))}"
        f" of {count}"
        for peer in others
    }


def _times_of_findings(schema: dict[str, Any], budget: float) -> float:
    """Print how long the findings of broken tickets take; return the ratio for the first."""
    bare = jsonschema_rs.Draft202012Validator(schema)
    rows, ratios = [], []
    for name, ticket in (
        ("four findings, one of them `required`", broken()),
        ("four findings on values", broken_in_values()),
    ):
        assert len(ttrules.validate(ticket, PROCESS).violations) == 4
        assert len(list(bare.iter_errors(ticket))) == 4
        times = take_turns(_telling(bare, ticket), budget)
        ratios.append(times.ratio(REPORT, BARE))
        told = [seconds(times.median(each)) for each in (REPORT, BARE)]
        rows.append([name, *told, f"{ratios[-1]:.2f}"])
    show(("a broken ticket", REPORT, "bare iter_errors", "ratio"), rows)
    return ratios[0]


def _telling(
    bare: jsonschema_rs.Draft202012Validator, ticket: object
) -> dict[str, Callable[[], object]]:
    validate, iter_errors = ttrules.validate, bare.iter_errors
    return {
        REPORT: lambda: validate(ticket, PROCESS),
        BARE: lambda: list(iter_errors(ticket)),
    }


if __name__ == "__main__":
    show_targets(main())
