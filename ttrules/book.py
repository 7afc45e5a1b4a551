"""A Book: the compiled rules of every process, and the verbs that enforce them.

A book is read from compiled JSON, never from YAML: the shipped one from this package, others from
a directory that `ttrules compile` wrote, or straight from a Spec. Everything about the public verbs
that concerns more than one process is here; one process is the business of rules, a change that
of change.
"""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttrules.change import Change, Changes
from ttrules.codes import slug
from ttrules.compile import BOOK_FORMAT
from ttrules.errors import (
    NoSuchCell,
    NoSuchProcess,
    Problem,
    ProcessNotSelected,
    RequirementsNotMet,
    SpecError,
)
from ttrules.findings import Cell, Finding, Report
from ttrules.lifecycle import Lifecycle
from ttrules.plain import to_plain
from ttrules.rules import Rules
from ttrules.sentences import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import PathLike

    from ttrules.codes import Engine, Unsupported


class _RulesOf(dict[str, Rules]):
    """The Rules of each process by name, compiled when first asked for."""

    def __init__(self, schemas: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self.schemas = schemas

    def __missing__(self, name: str) -> Rules:
        rules = self[name] = Rules(self.schemas[slug(name)], name)
        return rules


class Book:
    """The rules of a spec, ready to use. Safe to share between threads.

    `data` is the compiled book; `schemas` the compiled JSON Schema of each process by slug.
    """

    def __init__(self, data: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]]) -> None:
        self.data = data
        self.schemas = schemas
        self._names = tuple(each["name"] for each in data["processes"])
        self._known: dict[str, str] = {
            **{each["slug"]: each["name"] for each in data["processes"]},
            **{name: name for name in self._names},
        }
        self._rules = _RulesOf(schemas)
        self._passes: dict[str, Callable[[Any], bool]] = {}
        self._unsupported: Unsupported = data["unsupported"]
        cycle = data["lifecycle"]
        self.lifecycle = Lifecycle.from_dict(cycle) if cycle is not None else None
        self._changes = Changes(data, self._rules, self.lifecycle)

    @classmethod
    def read(cls, directory: str | PathLike[str]) -> Book:
        """Return the book that `ttrules compile` wrote into a directory.

        Raises SpecError, with the file's name, when a file is missing or no compiled rules.
        """
        folder = Path(directory)
        data = _read_json(folder / "book.json")
        try:
            if data["book"] != BOOK_FORMAT:
                raise KeyError("book")  # noqa: TRY301 - told as what it is like: of another form
            slugs = [each["slug"] for each in data["processes"]]
            schemas = {name: _read_json(folder / f"{name}.json") for name in slugs}
            return cls(data, schemas)
        except (KeyError, TypeError) as error:
            message = f"holds no compiled rules ({error}); compile them again"
            raise SpecError([Problem(str(folder / "book.json"), 1, 1, message)]) from error

    def processes(self) -> tuple[str, ...]:
        """Return the names of the processes, in the order of the matrix's columns."""
        return self._names

    def process(self, process: str) -> str:
        """Return the name of a process given by name or slug. Raises NoSuchProcess."""
        try:
            return self._known[process]
        except (KeyError, TypeError):
            raise NoSuchProcess(process, self._names) from None

    def slug(self, process: str) -> str:
        """Return the short form of a process given by name or slug. Raises NoSuchProcess."""
        return slug(self.process(process))

    def schema(self, process: str) -> dict[str, Any]:
        """Return a copy of a process's compiled schema (2020-12). Raises NoSuchProcess."""
        return deepcopy(dict(self.schemas[self.slug(process)]))

    def cell(self, entity: str, field: str, process: str) -> Cell:
        """Return one cell of the matrix.

        Raises NoSuchProcess, or NoSuchCell when the matrix has no such entity or field.
        """
        column = self._names.index(self.process(process))
        entities = self.data["entities"]
        if entity not in entities:
            raise NoSuchCell(entity, tuple(entities))
        if field not in entities[entity]:
            raise NoSuchCell(f"{entity}.{field}", tuple(entities[entity]))
        row = entities[entity][field]
        return Cell(
            entity=entity,
            field=field,
            process=self._names[column],
            requirement=row["requirements"][column],
            type=row["type"],
            description=row["description"],
            source=f"{self.data['title']} {self.data['version']}, {self.data['source']}",
        )

    def rules(self, process: str) -> Rules:
        """Return the Rules of a process given by name or slug. Raises NoSuchProcess."""
        return self._rules[self.process(process)]

    def changing(self, ticket: object) -> str:
        """Return the Change process of a stored ticket by name. Raises ProcessNotSelected."""
        return self._changes.process_of(ticket)

    def passes(self, process: str) -> Callable[[Any], bool]:
        """Return the quickest test of a process: true means that there is nothing to report.

        It is no verdict when it says no or raises: `validate` is, then. Raises NoSuchProcess.
        """
        return self.rules(process).passes

    def validate(
        self,
        payload: object,
        process: str,
        *,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
        most: int | None = None,
    ) -> Report:
        """Return everything that `payload` owes to a process, given by name or slug.

        `payload` is what a JSON parser gives. `unsupported` says what becomes of members that the
        matrix marks ``-`` (None: as interpretation.yaml decides); ``error`` makes unknown members
        errors too. `most` limits how many findings the report has (None: all); it counts the others
        in `left_out`. Raises NoSuchProcess, NotJSON when the payload holds what JSON cannot or has
        more than 20,000 values, and EngineFailed when an engine breaks inside.
        """
        rules = self.rules(process)
        return rules.report(payload, unsupported or self._unsupported, engine, most)

    def is_valid(
        self,
        payload: object,
        process: str,
        *,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
    ) -> bool:
        """Say whether `payload` has no violation. Arguments and errors are those of `validate`."""
        try:
            if engine == "fast" and self._passes[process](payload):
                return True
        except Exception:  # noqa: BLE001 - no verdict
            # Either this process is asked for the first time, or `validate` will say what is wrong.
            self._passes[process] = self.passes(process)
        return self.validate(payload, process, unsupported=unsupported, engine=engine).valid

    def check(
        self,
        payload: object,
        process: str,
        *,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
    ) -> None:
        """Raise RequirementsNotMet, which carries the report, when `payload` has a violation.

        Arguments and other errors are those of `validate`.
        """
        report = self.validate(payload, process, unsupported=unsupported, engine=engine)
        if not report.valid:
            raise RequirementsNotMet(report)

    @property
    def selecting(self) -> dict[str, str]:
        """The Add process that each value of the selecting field chooses, by name."""
        return {
            each["value"]: each["name"]
            for each in self.data["processes"]
            if each["operation"] == "add"
        }

    def validate_new(
        self,
        payload: object,
        *,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
        most: int | None = None,
    ) -> Report:
        """Return everything that a new ticket owes to the Add process that it names itself.

        Where its selecting field (``ticketType``) names none, that is the one finding, and the
        report's process is None. Other arguments are those of `validate`. Raises as `validate`
        does, and ProcessNotSelected when the rules do not say how a process is chosen.
        """
        chosen = self.selecting
        if not chosen:
            raise ProcessNotSelected(Said("no_selection"))
        field = self.data["selection"]["field"]
        value = _text_of(payload, field)
        if value not in chosen:
            payload = to_plain(payload)
            value = payload.get(field) if isinstance(payload, dict) else None
        if isinstance(value, str) and value in chosen:
            return self.validate(
                payload, chosen[value], unsupported=unsupported, engine=engine, most=most
            )
        return Report(process=None, violations=(self._unselected(payload, field, value, chosen),))

    def accepted(self, payload: dict[str, Any], process: str) -> dict[str, Any]:
        """Return the part of a valid `payload` that is stored: what the process supports.

        Members that the matrix marks ``-`` and unknown ones are left out, whatever the policy; the
        payload stays as it is. Raises NoSuchProcess, and NotJSON as `validate` does.
        """
        name = self.process(process)
        with suppress(Exception):  # it is no verdict, and to_plain knows what the engine met
            if self.passes(name)(payload):
                return dict(payload)
        stored: dict[str, Any] = self._changes.senders(to_plain(payload), self.data["root"], name)
        return stored

    def _unselected(
        self, payload: object, field: str, value: object, chosen: Mapping[str, str]
    ) -> Finding:
        """Return the one finding on a payload that names no process."""
        entity = self.data["root"]
        params: dict[str, Any] = {}
        if not isinstance(payload, dict):
            code = "null" if payload is None else "type"
            params = {"expected": ["object"]} if code == "type" else {}
            pointer, name, requirement = "", None, None
        else:
            codes = {self.cell(entity, field, each).requirement for each in chosen.values()}
            pointer, name = f"/{field}", field
            requirement = codes.pop() if len(codes) == 1 else None
            if field not in payload:
                code = "required"
            elif value is None:
                code = "null"
            elif not isinstance(value, str):
                code, params = "type", {"expected": ["string"]}
            elif requirement == "R" and not value.strip():
                code = "empty"
            else:
                code, params = "enum", {"allowed": list(chosen)}
        return Finding(
            severity="error",
            code=code,
            pointer=pointer,
            entity=entity,
            field=name,
            requirement=requirement,
            process=None,
            params=params,
        )

    def validate_change(  # noqa: PLR0913 - how to judge, by name
        self,
        current: object,
        patch: object,
        *,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
        by: str | None = None,
        most: int | None = None,
    ) -> Change:
        """Return the report on a patch to the ticket `current`, and the ticket that comes of it.

        `patch` is a JSON merge patch (RFC 7396), or a JSON Patch (RFC 6902) when it is a list.
        `by` names the party that asks, where the lifecycle narrows a move to some. Raises as
        `validate` does, PatchNotApplicable when an operation has no meaning for the ticket, and
        ProcessNotSelected when `current` is of no type that may be changed.
        """
        change = self._changes.judge(current, patch, unsupported or self._unsupported, engine, by)
        return change if most is None else change._replace(report=change.report.first(most))


@cache
def shipped() -> Book:
    """Return the book of the Trouble Ticket API that comes with this package."""
    return Book.read(Path(__file__).parent / "schemas")


def _text_of(payload: object, name: str) -> str | None:
    """Return the text of a member of a plain dict; None means that `to_plain` has to look."""
    try:
        value = payload.get(name) if type(payload) is dict else None
    except Exception:  # noqa: BLE001 - of a key that is no text
        return None
    return value if type(value) is str else None


def _read_json(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        problem = Problem(str(path), 1, 1, f"cannot be read: {error.strerror}")
        raise SpecError([problem]) from error
    except ValueError as error:
        raise SpecError([Problem(str(path), 1, 1, f"is not JSON: {error}")]) from error
