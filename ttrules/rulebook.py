"""The Rulebook: the compiled rules of all processes, and the functions that enforce them.

A rulebook is read from compiled JSON, never from YAML: the shipped one from this package, others
from a directory that `ttrules compile` wrote, or made from a Matrix. This module selects the
process; `validator` validates against one process, `change` validates a change.
"""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ttrules.change import Changes
from ttrules.codes import slug
from ttrules.errors import NoSuchCell, NoSuchProcess, Problem, ProcessNotSelected, SpecError
from ttrules.findings import Cell, Finding, Report, RequirementsNotMet
from ttrules.json_values import to_plain
from ttrules.lifecycle import Lifecycle
from ttrules.matrix import Matrix
from ttrules.message import reason
from ttrules.validator import ProcessValidator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import PathLike

    from ttrules.change import Change
    from ttrules.codes import Engine, Unsupported
    from ttrules.json_values import JSONValue


class _Validators(dict[str, ProcessValidator]):
    """The ProcessValidator of each process by name, created at first use."""

    def __init__(self, schemas: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self.schemas = schemas

    def __missing__(self, name: str) -> ProcessValidator:
        rules = self[name] = ProcessValidator(self.schemas[slug(name)], name)
        return rules


class Rulebook:
    """The rules of a spec, ready to use. Safe to share between threads.

    `matrix` is the typed matrix, `schemas` the compiled JSON Schema of each process by slug.
    """

    def __init__(self, matrix: Matrix, schemas: Mapping[str, Mapping[str, Any]]) -> None:
        self.matrix = matrix
        self.schemas = schemas
        self._names = matrix.names
        self._known: dict[str, str] = {
            **{each.slug: each.name for each in matrix.processes},
            **{name: name for name in self._names},
        }
        self._rules = _Validators(schemas)
        self._accepts: dict[str, Callable[[Any], bool]] = {}
        cycle = matrix.lifecycle
        self.lifecycle = Lifecycle.from_dict(cycle) if cycle else None
        self._changes = Changes(matrix, self._rules, self.lifecycle)

    @classmethod
    def read(cls, directory: str | PathLike[str]) -> Rulebook:
        """Return the rulebook that `ttrules compile` wrote to a directory.

        Raises SpecError, with the file's name, if a file is missing or is not compiled rules.
        """
        folder = Path(directory)
        data = _read_json(folder / "book.json")
        try:
            matrix = Matrix.from_json(data)
            slugs = [each.slug for each in matrix.processes]
            schemas = {name: _read_json(folder / f"{name}.json") for name in slugs}
            return cls(matrix, schemas)
        except (KeyError, TypeError) as error:
            message = f"is not compiled rules ({error}); compile them again"
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
        name, entities = self.process(process), self.matrix.entities
        if entity not in entities:
            raise NoSuchCell(entity, tuple(entities))
        if field not in entities[entity]:
            raise NoSuchCell(f"{entity}.{field}", tuple(entities[entity]))
        row = entities[entity][field]
        return Cell(
            entity=entity,
            field=field,
            process=name,
            requirement=row.requirements[name],
            type=row.type,
            description=row.description,
            source=f"{self.matrix.title} {self.matrix.version}, {self.matrix.source}",
        )

    def rules(self, process: str) -> ProcessValidator:
        """Return the ProcessValidator of a process given by name or slug. Raises NoSuchProcess."""
        return self._rules[self.process(process)]

    def changing(self, ticket: object) -> str:
        """Return the Change process of a stored ticket by name. Raises ProcessNotSelected."""
        return self._changes.process_of(ticket)

    def accepts(self, process: str) -> Callable[[Any], bool]:
        """Return the quickest test of a process: True means that there is nothing to report.

        If it returns False or raises, only `validate` gives a verdict. Raises NoSuchProcess.
        """
        return self.rules(process).accepts

    def validate(
        self,
        payload: object,
        process: str,
        *,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
        most: int | None = None,
    ) -> Report:
        """Return all findings for `payload` in a process, given by name or slug.

        `payload` is the result of a JSON parser. `unsupported` is the policy for members that the
        matrix marks ``-`` (None: the one of interpretation.yaml); with ``error``, unknown members
        are errors as well. `most` limits the number of findings (None: all); `left_out` counts the
        others. Raises NoSuchProcess, NotJSON if the payload contains a value that is not JSON or
        has more than 20,000 values, and EngineFailed if an engine fails.
        """
        rules = self.rules(process)
        return rules.report(payload, unsupported or self.matrix.unsupported, engine, most)

    def is_valid(
        self,
        payload: object,
        process: str,
        *,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
    ) -> bool:
        """Return whether `payload` has no violation. Arguments and errors as in `validate`."""
        try:
            if engine == "fast" and self._accepts[process](payload):
                return True
        except Exception:  # noqa: BLE001 - not a verdict; `validate` reports the cause
            # The first call for a process is a KeyError, which costs later calls nothing.
            self._accepts[process] = self.accepts(process)
        return self.validate(payload, process, unsupported=unsupported, engine=engine).valid

    def check(
        self,
        payload: object,
        process: str,
        *,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
    ) -> None:
        """Raise RequirementsNotMet, which carries the report, if `payload` has a violation.

        Arguments and other errors are those of `validate`.
        """
        report = self.validate(payload, process, unsupported=unsupported, engine=engine)
        if not report.valid:
            raise RequirementsNotMet(report)

    @property
    def selecting(self) -> dict[str, str]:
        """The name of the Add process that each value of the selecting field selects."""
        return self.matrix.selected_by("add")

    def validate_new(
        self,
        payload: object,
        *,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
        most: int | None = None,
    ) -> Report:
        """Return all findings for a new ticket in the Add process that it selects.

        If its selecting field (``ticketType``) selects no process, this is the only finding, and
        the report's process is None. The other arguments are those of `validate`. Raises as
        `validate` does, and ProcessNotSelected if the rules define no selection.
        """
        chosen, field = self.selecting, self.matrix.selection_field
        if not chosen or field is None:
            raise ProcessNotSelected(reason("no_selection"))
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

        Unknown members and those marked ``-`` are left out under every policy. The payload is not
        changed. Raises NoSuchProcess, and NotJSON as `validate` does.
        """
        name = self.process(process)
        with suppress(Exception):  # not a verdict; `to_plain` reports the cause
            if self.accepts(name)(payload):
                return dict(payload)
        stored: dict[str, Any] = self._changes.settable(to_plain(payload), self.matrix.root, name)
        return stored

    def _unselected(
        self, payload: object, field: str, value: object, chosen: Mapping[str, str]
    ) -> Finding:
        """Return the only finding for a payload that selects no process."""
        entity = self.matrix.root
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

    def validate_change(  # noqa: PLR0913 - options, by name
        self,
        current: object,
        patch: object,
        *,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
        by: str | None = None,
        most: int | None = None,
    ) -> Change:
        """Return the report on a patch to the ticket `current`, and the resulting ticket.

        `patch` is a JSON merge patch (RFC 7396), or a JSON Patch (RFC 6902) if it is a list. `by`
        is the party that makes the change, for transitions that the lifecycle allows some parties
        only. Raises as `validate` does, PatchNotApplicable if an operation cannot be applied to the
        ticket, and ProcessNotSelected if `current` has no Change process.
        """
        change = self._changes.validate(
            current, patch, unsupported or self.matrix.unsupported, engine, by
        )
        return change if most is None else change._replace(report=change.report.first(most))


@cache
def shipped() -> Rulebook:
    """Return the rulebook of the Trouble Ticket API that is part of this package."""
    return Rulebook.read(Path(__file__).parent / "schemas")


def _text_of(payload: object, name: str) -> str | None:
    """Return the text of a member of a plain dict, or None if `to_plain` is needed."""
    try:
        value = payload.get(name) if type(payload) is dict else None
    except Exception:  # noqa: BLE001 - raised by a key that is not text
        return None
    return value if type(value) is str else None


def _read_json(path: Path) -> JSONValue:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        problem = Problem(str(path), 1, 1, f"cannot be read: {error.strerror}")
        raise SpecError([problem]) from error
    except ValueError as error:
        raise SpecError([Problem(str(path), 1, 1, f"is not JSON: {error}")]) from error
