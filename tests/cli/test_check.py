"""What `ttrules check` makes of its inputs: which payloads there are, and what is wrong with them.

How a report is written is tested with the formats, how a source is cut with the reading.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.small_matrix import NAME, book_of, matrix_of, row
from ttrules.checking import worker
from ttrules.checking.files import Payload
from ttrules.checking.results import CheckOptions
from ttrules.codes import MAX_DEPTH
from ttrules.examples.generate import example
from ttrules.rulebook import Rulebook, shipped

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_line import File, Ran, Run, Spec

DEEP = b'{"ticketType":"Complaint","x":' + b"[" * 400 + b"]" * 400 + b"}"

#: What is no payload, and the line and column at which it stops being one.
UNREADABLE = {
    b"": (1, 1),
    b" \n\n": (1, 1),
    b"{": (1, 2),
    b'{"a":1}}': (1, 8),
    b'{"a": 1,\n "a": 2}': (2, 2),
    b'{"b": {"a": 1,\n "\\u0061": 2}}': (2, 2),
    '{"łł": "𝄞", "a": NaN}'.encode(): (1, 18),
    b'{"a": Infinity}': (1, 7),
    b'{\n"a":\n  -Infinity}': (3, 4),
    '{"ł":\n "ł\xff"}'.encode().replace(b"\xc3\xbf", b"\xff"): (2, 4),
    b'{"a": "\xed\xa0\x80"}': (1, 8),
    b'{"a": "\\ud800"}': (1, 8),
    b'\xff\xfe{\x00"\x00': (1, 1),
    b'{"a": ' + b"[" * 3_000 + b"]" * 3_000 + b"}": (1, 1_031),
    DEEP: (1, 30 + MAX_DEPTH),
}


def found(ran: Ran) -> list[tuple[int, str, list[str]]]:
    """Return index, status and the findings' codes of each result of a JSON report."""
    return [
        (each["index"], each["status"], [finding["code"] for finding in each["findings"]])
        for each in ran.json["results"]
    ]


class TestUnreadable:
    """What is no JSON payload is told with its place, and never judged."""

    @pytest.mark.parametrize("content", UNREADABLE, ids=lambda each: repr(each[:30]))
    def test_place(self, run: Run, content: bytes) -> None:
        """Line and column are those of the first character that is wrong."""
        ran = run("check", "--format", "json", "-", stdin=content)
        (result,) = ran.json["results"]
        assert (ran.code, result["status"]) == (3, "unreadable")
        assert (result["line"], result["column"]) == UNREADABLE[content]

    @pytest.mark.parametrize("content", [each for each in UNREADABLE if each and b"\n" not in each])
    def test_same_among_lines(
        self, run: Run, file: File, content: bytes, ticket: dict[str, Any]
    ) -> None:
        """Among JSON lines it is the same, and the others are judged."""
        line = json.dumps(ticket).encode()
        ran = run("check", "--format", "json", file("a.jsonl", b"\n".join([line, content, line])))
        (result,) = ran.json["results"]
        _, column = UNREADABLE[content]
        assert (result["index"], result["line"], result["column"]) == (1, 2, column)
        assert (ran.code, ran.json["summary"]["valid"]) == (3, 2)

    def test_repeated(self, run: Run, file: File, ticket: dict[str, Any]) -> None:
        """A member name that stands twice is found even where no rule is broken."""
        text = json.dumps({**ticket, "name": 'a "b"'})
        spelt = text.replace('\\"', "\\u0022")
        twice = spelt.replace('"name"', '"name": 1, "n\\u0061me"')
        assert len({text, spelt, twice}) == 3
        for name in ("a.jsonl", "a.json"):
            lines = [text, spelt, twice, spelt]
            whole = "\n".join(lines) if name == "a.jsonl" else f"[{','.join(lines)}]"
            ran = run("check", "--format", "json", file(name, whole))
            assert (ran.code, found(ran)) == (3, [(2, "unreadable", [])])

    def test_greatest_depth(self, run: Run) -> None:
        """What is nested as deep as may be is judged, in either engine."""
        text = (
            b'{"ticketType":"Complaint","x":'
            + b"[" * (MAX_DEPTH - 1)
            + b"]" * (MAX_DEPTH - 1)
            + b"}"
        )
        for engine in ("fast", "reference"):
            assert run("check", "--engine", engine, "-", stdin=text).code == 1

    def test_not_there(self, run: Run, tmp_path: Path, file: File, ticket: dict[str, Any]) -> None:
        """A file that is not there does not keep the others from being judged."""
        ran = run("check", "--format", "json", tmp_path / "none", file("a.json", ticket))
        assert (ran.code, found(ran)) == (3, [(0, "unreadable", [])])
        assert ran.json["summary"]["valid"] == 1


class TestPayloads:
    """A source may hold any number of payloads."""

    def test_blank_lines(self, run: Run, wrong: dict[str, Any]) -> None:
        """Blank lines are no payloads, and count as lines."""
        line = json.dumps(wrong)
        text = f"\n{line}\n \t\r\n\n{line}\r\n\n".encode()
        results = run("check", "--format", "json", "-", stdin=text).json["results"]
        assert [(each["index"], each["line"]) for each in results] == [(0, 2), (1, 5)]

    def test_empty_array(self, run: Run) -> None:
        """An empty array holds no payloads, on purpose."""
        assert run("check", "-", stdin=b" [ ]\n") == (0, "0 payloads\n", "")

    def test_array(self, run: Run, wrong: dict[str, Any], ticket: dict[str, Any]) -> None:
        """The places of an array's payloads are those in the file."""
        text = json.dumps([ticket, wrong, ticket, wrong], indent=2)
        lines = [
            number for number, line in enumerate(text.splitlines(), 1) if line.endswith('"Fax",')
        ]
        results = run("check", "--format", "json", "-", stdin=text.encode()).json["results"]
        assert [each["findings"][0]["line"] for each in results] == lines
        assert [each["index"] for each in results] == [1, 3]

    def test_kinds_agree(self, run: Run, file: File, wrong: dict[str, Any]) -> None:
        """An array, JSON lines and gzipped ones of the same payloads have the same findings."""
        payloads = [example(shipped(), "complaint-add", "typical", seed) for seed in range(5)]
        payloads[2] = wrong
        lines = "".join(json.dumps(each) + "\n" for each in payloads).encode()
        sources = [
            file("a.json", payloads),
            file("a.jsonl", lines),
            file("lines", lines),
            file("a.jsonl.gz", gzip.compress(lines)),
            file("a.json.gz", gzip.compress(json.dumps(payloads).encode())),
        ]
        told = [found(run("check", "--format", "json", source)) for source in sources]
        assert told == [[(2, "invalid", ["enum", "unknown_field"])]] * 5

    def test_no_objects(self, run: Run) -> None:
        """A payload that is no object is invalid, not unreadable."""
        for text, code in ((b"1", "type"), (b"null", "null"), (b'"x"', "type"), (b"[[]]", "type")):
            ran = run("check", "--format", "json", "-", stdin=text)
            assert (ran.code, found(ran)) == (1, [(0, "invalid", [code])])


class TestQuestion:
    """The options say by which rules a payload is judged."""

    @pytest.mark.parametrize("process", shipped().processes())
    def test_process(self, run: Run, process: str) -> None:
        """A process is named by name or slug; its own payloads pass, those of others need not."""
        text = json.dumps(example(shipped(), process)).encode()
        for name in (process, shipped().slug(process)):
            assert run("check", "--process", name, "-", stdin=text).code == 0
        ran = run("check", "--format", "json", "--process", process, "-", stdin=b"{}")
        assert ran.json["results"][0]["process"] == process

    def test_auto(self, run: Run, ticket: dict[str, Any]) -> None:
        """Without a process each payload is judged by the one that it names itself."""
        customer = example(shipped(), "customer-trouble-ticket-add")
        texts = [ticket, customer, {**ticket, "ticketType": "Sigh"}, {}]
        stdin = "\n".join(json.dumps({**each, "origin": "Fax"}) for each in texts).encode()
        results = run("check", "--format", "json", "--process", "auto", "-", stdin=stdin).json[
            "results"
        ]
        adds = ["Complaint Add", "Customer Trouble Ticket Add"]
        assert [each["process"] for each in results] == [*adds, None, None]
        codes = [[finding["code"] for finding in each["findings"]] for each in results]
        assert codes == [["enum"], ["enum"], ["enum"], ["required"]]

    def test_strict(self, run: Run, ticket: dict[str, Any]) -> None:
        """Strict makes unsupported and unknown members errors."""
        text = json.dumps({**ticket, "colour": 1, "channel": {}}).encode()
        for args, severity, code in (((), "warning", 0), (("--strict",), "error", 1)):
            ran = run("check", "--format", "json", *args, "-", stdin=text)
            (result,) = ran.json["results"]
            assert ran.code == code
            assert {each["severity"] for each in result["findings"]} == {severity}
            assert {each["code"] for each in result["findings"]} == {
                "unknown_field",
                "not_supported",
            }

    def test_engine(self, run: Run, file: File, wrong: dict[str, Any]) -> None:
        """Both engines write the same report, in every format."""
        lines: list[Any] = [
            wrong,
            {},
            {**wrong, "note": [{"text": ""}, 1]},
            {"ticketType": 1},
            [],
            None,
        ]
        texts = [*map(json.dumps, lines), '{"a": 1, "a": 2}', "{"]
        path = file("a.jsonl", "\n".join(texts))
        for form in ("text", "json", "jsonl", "junit", "sarif", "github"):
            for process in ("auto", "complaint-add", "customer-trouble-ticket-change"):
                args = ("check", path, "--format", form, "--process", process, "--engine")
                assert run(*args, "fast") == run(*args, "reference")

    def test_reference_alone(
        self, run: Run, file: File, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where the reference engine is asked for, the other one has no say."""
        monkeypatch.setattr(Rulebook, "accepts", lambda *_: lambda _: True)
        path = file("a.jsonl", json.dumps(wrong))
        codes = [run("check", "--engine", each, path).code for each in ("fast", "reference")]
        assert codes == [0, 1]

    def test_rules(self, run: Run, other: Path) -> None:
        """Other rules judge other payloads; they decide themselves what unsupported members are."""
        text = b'{"orderKind": "burst", "urgency": 9, "placedOn": 1}'
        ran = run("check", "--format", "json", "--rules", other, "-", stdin=text)
        (result,) = ran.json["results"]
        assert result["process"] == "Burst Report"
        told = {(each["pointer"], each["code"]) for each in result["findings"]}
        assert told == {("/urgency", "range"), ("/flow", "required"), ("/site", "required")}

    def test_no_choice(self, run: Run, spec: Spec, tmp_path: Path) -> None:
        """Rules that choose no process need to be told one."""
        processes = ("Order Add", "Order Change")
        files = spec({"Order": {"a": {"type": "string"}}}, {"Order": {"a": ["R", "R"]}}, processes)
        rules = tmp_path / "rules"
        run("compile", *files, "--out", rules)
        args = ("check", "--rules", rules)
        ran = run(*args, "-", stdin=b"{}")
        assert (ran.code, ran.out) == (2, "")
        assert run(*args, "--process", "order-add", "-", stdin=b'{"a":"b"}').code == 0


class TestJSONPatch:
    """A JSON Patch is not a payload: the message says how to check it."""

    @pytest.mark.parametrize("process", [(), ("--process", "complaint-change")])
    @pytest.mark.parametrize("pad", ["", "\n"])
    def test_told(self, run: Run, process: tuple[str, ...], pad: str) -> None:
        """Each operation is unreadable, with a reason, whatever the layout."""
        text = json.dumps([{"op": "add", "path": "/note/-", "value": {"text": "x"}}]) + pad
        ran = run("check", *process, "-", "--format", "json", stdin=text.encode())
        assert ran.code == 3
        (result,) = ran.json["results"]
        assert (result["status"], result["findings"]) == ("unreadable", [])
        assert "--against" in result["reason"]

    @pytest.mark.parametrize(
        "payload", [{"op": ["add"], "path": "/a"}, {"op": "add"}, {"op": "add", "path": 1}, [], 5]
    )
    def test_other(self, run: Run, payload: object) -> None:
        """Anything else is checked as a payload."""
        ran = run(
            "check", "--process", "complaint-change", "-", stdin=json.dumps([payload]).encode()
        )
        assert ran.code == 1

    def test_members_of_a_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """If payloads of a process have the members of an operation, they are payloads."""
        step = {"op": row("O O", NAME), "path": row("O O", NAME)}
        matrix = matrix_of({"Order": {"name": row("O O", NAME)}, "Step": step})
        add, change = matrix.processes
        rules = book_of(replace(matrix, processes=(add, replace(change, root="Step"))))
        monkeypatch.setattr(worker, "book_of", lambda _: rules)
        for process, count in ((add.slug, 1), (change.slug, 0), (None, 1)):
            checker = worker.PayloadChecker(CheckOptions(process=process))
            result = checker.judge([Payload(1, 1, b'{"op": "add", "path": "/a"}')])
            assert sum(each.status == "unreadable" for each in result.judged) == count


class TestExample:
    """`ttrules example` prints one extent."""

    @pytest.mark.parametrize(
        "flags",
        [("--full", "--minimal"), ("--minimal", "--full"), ("--typical", "--full"),
         ("--full", "--minimal", "--typical")],
    )  # fmt: skip
    def test_exclusive(self, run: Run, flags: tuple[str, ...]) -> None:
        """Two extents are a usage error, in any order."""
        ran = run("example", "complaint-add", *flags)
        assert (ran.code, ran.out) == (2, "")

    def test_default(self, run: Run) -> None:
        """Without one, the payload is a typical one."""
        assert (
            run("example", "complaint-add").out == run("example", "complaint-add", "--typical").out
        )
        outs = {run("example", "complaint-add", f"--{each}").out for each in ("full", "minimal")}
        assert len(outs) == 2
