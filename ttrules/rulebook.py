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
from typing import TYPE_CHECKING, Any, Final

from ttrules.change import Changes
from ttrules.codes import UNSUPPORTED, slug
from ttrules.errors import (
    NoSuchCell,
    NoSuchChoice,
    NoSuchProcess,
    Problem,
    ProcessNotSelected,
    SpecError,
)
from ttrules.findings import Cell, Finding, Report, RequirementsNotMet
from ttrules.json_values import to_plain
from ttrules.lifecycle import Lifecycle
from ttrules.matrix import Matrix
from ttrules.message import reason
from ttrules.pointers import pointer
from ttrules.validator import ProcessValidator, known_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import PathLike

    from ttrules.change import Change
    from ttrules.codes import Engine, Unsupported
    from ttrules.json_values import JSONValue
    from ttrules.matrix import Field

_ABSENT: Final = object()
#: The types of JSON Schema, by those of Python.
_KINDS: Final[dict[type, str]] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}


class _Validators(dict[str, ProcessValidator]):
    """The ProcessValidator of each process by name, created at first use."""

    def __init__(self, schemas: Mapping[str, Mapping[str, Any]]) -> None:
        super().__init__()
        self.schemas = schemas

    def __missing__(self, name: str) -> ProcessValidator:
        try:
            rules = self[name] = ProcessValidator(self.schemas[slug(name)], name)
        except Exception as error:
            raise damaged(f"{slug(name)}.json", error) from error
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
        self._adding = self._changes.adding

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
        except SpecError:
            raise
        except Exception as error:
            raise damaged(str(folder / "book.json"), error) from error

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
        others. Raises NoSuchProcess, NoSuchChoice for an unknown policy or engine, NotJSON if the
        payload contains a value that is not JSON or has more than 20,000 values, and EngineFailed
        if an engine fails.
        """
        rules = self.rules(process)
        policy = self.matrix.unsupported if unsupported is None else _known_policy(unsupported)
        return rules.report(payload, policy, engine, most)

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
            if engine == "fast" and unsupported is None and self._accepts[process](payload):
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
    def selecting(self) -> dict[Any, str]:
        """The name of the Add process that each value of the selecting field selects."""
        return {value: each.name for each in self._adding.processes for value in each.values}

    @property
    def selects_new(self) -> bool:
        """Whether a new ticket can select its process; if not, the caller must name one."""
        return bool(self._adding.path) or self._adding.unmatched is not None

    def validate_new(
        self,
        payload: object,
        *,
        process: str | None = None,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
        most: int | None = None,
    ) -> Report:
        """Return all findings for a new ticket in the Add process that it selects.

        If its selecting field (``ticketType``) selects no process, this is the only finding, and
        the report's process is None. `process` is the process by name or slug, where the caller
        knows it. The other arguments are those of `validate`. Raises as `validate` does, and
        ProcessNotSelected if the rules do not tell which process a new ticket selects.
        """
        if process is None:
            with suppress(Exception):  # raised by a key that is not text; `to_plain` reports it
                process = self._adding.quick(payload)
        if process is None:
            payload = to_plain(payload)
            process = self._adding.select(payload)
        if process is not None:
            return self.validate(
                payload, process, unsupported=unsupported, engine=engine, most=most
            )
        if unsupported is not None:
            _known_policy(unsupported)
        known_engine(engine)
        return Report(process=None, violations=(self._unselected(payload),))

    def accepted(self, payload: dict[str, Any], process: str) -> dict[str, Any]:
        """Return the part of a valid `payload` that is stored: what the process supports.

        Unknown members and those marked ``-`` are left out under every policy. The payload is not
        changed. Raises NoSuchProcess, and NotJSON as `validate` does.
        """
        name = self.process(process)
        with suppress(Exception):  # not a verdict; `to_plain` reports the cause
            if self.accepts(name)(payload):
                return dict(payload)
        root = self.matrix.root_of(name)
        stored: dict[str, Any] = self._changes.settable(to_plain(payload), root, name)
        return stored

    def _unselected(self, payload: JSONValue) -> Finding:
        """Return the only finding for a plain payload that selects no process.

        Raises ProcessNotSelected if no payload selects one.
        """
        selector = self._adding
        if selector.others:
            names = ", ".join(each.name for each in selector.others)
            raise ProcessNotSelected(reason("name_process", processes=names))
        if not self.selects_new:
            raise ProcessNotSelected(reason("no_selection"))
        at: tuple[str | int, ...] = ()
        owner = inner = self.matrix.root_of(selector.processes[0].name)
        field: Field | None = None
        value = payload
        for name in selector.path:
            if not isinstance(value, dict):
                break
            owner, at = inner, (*at, name)
            field = self.matrix.entities[owner][str(name)]
            inner, value = field.entity or "", value.get(name, _ABSENT)
        cells = {field.requirements[each.name] for each in selector.processes} if field else {None}
        requirement = cells.pop() if len(cells) == 1 else None
        known = [each for process in selector.processes for each in process.values]
        kinds = ["object"] if inner else [*dict.fromkeys(_KINDS[type(each)] for each in known)]
        params: dict[str, Any] = {}
        if value is _ABSENT:
            code = "required"
            if changes := self._changes_without(field):
                params = {"changes": changes}
        elif value is None:
            code = "null"
        elif _KINDS.get(type(value)) not in kinds:
            code, params = "type", {"expected": kinds}
        elif requirement == "R" and isinstance(value, str) and not value.strip():
            code = "empty"
        else:
            code, params = "enum", {"allowed": known}
        return Finding(
            severity="error",
            code=code,
            pointer=pointer(at),
            entity=owner,
            field=None if field is None else field.name,
            requirement=requirement,
            process=None,
            params=params | self.matrix.noun_params,
        )

    def _changes_without(self, field: Field | None) -> list[str]:
        """Return the Change processes, by slug, in which a payload need not have a field."""
        return [
            each.slug
            for each in self.matrix.processes
            if each.operation == "change" and field and field.requirements[each.name] == "O"
        ]

    def validate_change(
        self,
        current: object,
        patch: object,
        *,
        process: str | None = None,
        unsupported: Unsupported | None = None,
        engine: Engine = "fast",
        by: str | None = None,
        most: int | None = None,
    ) -> Change:
        """Return the report on a patch to the ticket `current`, and the resulting ticket.

        `patch` is a JSON merge patch (RFC 7396), or a JSON Patch (RFC 6902) if it is a list; in a
        process that replaces tickets, it is the whole ticket. `process` is the process by name or
        slug, where the caller knows it; by default the resulting ticket selects it. `by` is the
        party that makes the change, for transitions that the lifecycle allows some parties only.
        Raises as `validate` does, PatchNotApplicable if an operation cannot be applied to the
        ticket, and ProcessNotSelected if `current` has no Change process, or if `process` is one
        that changes no ticket.
        """
        name = None if process is None else self.process(process)
        if name is not None and self.matrix.process(name).operation in {"add", "action"}:
            raise ProcessNotSelected(reason("no_change_process", process=name))
        change = self._changes.validate(
            current,
            patch,
            process=name,
            unsupported=self.matrix.unsupported
            if unsupported is None
            else _known_policy(unsupported),
            engine=engine,
            by=by,
        )
        return change if most is None else change._replace(report=change.report.first(most))


@cache
def shipped() -> Rulebook:
    """Return the rulebook of the Trouble Ticket API that is part of this package."""
    return Rulebook.read(Path(__file__).parent / "schemas")


def _known_policy(unsupported: Unsupported) -> Unsupported:
    """Return a policy for unsupported members. Raises NoSuchChoice."""
    if unsupported not in UNSUPPORTED:
        raise NoSuchChoice("unsupported", unsupported, UNSUPPORTED)
    return unsupported


def damaged(name: str, error: Exception | str) -> SpecError:
    """Return the error for a file of compiled rules that nothing can be done with."""
    message = f"is not compiled rules ({error!r}); compile them again"
    return SpecError([Problem(name, 1, 1, message)])


def _read_json(path: Path) -> JSONValue:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        problem = Problem(str(path), 1, 1, f"cannot be read: {error.strerror}")
        raise SpecError([problem]) from error
    except ValueError as error:
        raise SpecError([Problem(str(path), 1, 1, f"is not JSON: {error}")]) from error
