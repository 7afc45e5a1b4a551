"""Holding one payload against one compiled schema.

Two engines give the same raw errors, jsonschema-rs (fast) and jsonschema (the reference); one table
of Sites, read off the schema's annotations, turns errors into findings. Messages of an engine are
never read, and an engine that breaks inside is EngineFailed, never a verdict.

The engines run the closed form of the schema, in which members that are unsupported or unknown
fail as well: a payload that passes it has nothing to report at all, which is the quick way out;
one that fails it is judged by what its errors are. The published schema is the closed one with
those members let through.

Pure: a payload is never changed, and nothing here reads a file, a clock or a locale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import jsonschema_rs

from ttrules.codes import (
    FORMATS,
    KEYWORD_CODES,
    MAX_DEPTH,
    NOT_EMPTY,
    PRECEDENCE,
    is_blank,
    offending_field,
    pointer,
)
from ttrules.errors import EngineFailed, NotJSON
from ttrules.findings import Finding, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ttrules.codes import Engine, Severity, Unsupported

Path: TypeAlias = tuple[str | int, ...]
#: One failure as both engines tell it: where in the payload, where in the schema, and, for a
#: missing member, its name.
RawError: TypeAlias = tuple[Path, Path, str | None]

NOTE: Final = "x-ttrules"
_SUGGESTED: Final = 20
_RANK: Final = {code: rank for rank, code in enumerate(PRECEDENCE)}
_BYTE_PATTERN: Final = FORMATS["byte"][0]
_EXPECTED: Final = {pattern: text for pattern, text in FORMATS.values()}
_KINDS: Final = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_BASE64: Final = "urn:ttrules:base64"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What stands at one keyword of a closed schema, and so what its failure means."""

    kind: str
    entity: str
    field: str | None = None
    requirement: str | None = None
    keyword: str = ""
    limit: Any = None
    details: Mapping[str, Any] | None = None


class Rules:
    """The rules of one process, ready to be held against payloads."""

    def __init__(self, schema: Mapping[str, Any], process: str, root: str) -> None:
        self.schema = schema
        self.process = process
        self.root = root
        self._closed = closed(schema)
        self._sites = dict(_sites(self._closed, ()))
        self._fields = _fields(self._closed)
        self._fine = Report(process=process)
        self._errors = jsonschema_rs.Draft202012Validator(self._closed)
        self._reference: Any = None
        #: Whether a payload passes the closed schema: true means nothing at all to report.
        self.passes: Callable[[object], bool] = jsonschema_rs.Draft202012Validator(
            _quick(self._closed)
        ).is_valid

    def report(self, payload: object, unsupported: Unsupported, engine: Engine) -> Report:
        """Return the Report on `payload`.

        Raises NotJSON when the payload holds what JSON cannot, EngineFailed when an engine breaks.
        """
        if engine == "fast":
            try:
                if self.passes(payload):
                    return self._fine
                raw = [
                    (tuple(e.instance_path), tuple(e.schema_path), _property(e.kind))
                    for e in self._errors.iter_errors(payload)
                ]
            except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
                to_plain(payload)
                message = f"jsonschema-rs stopped: {error}"
                raise EngineFailed(message) from error
        else:
            payload = to_plain(payload)
            raw = self._by_reference(payload)
        return self._judge(payload, raw, unsupported)

    def is_valid(self, payload: object, unsupported: Unsupported, engine: Engine) -> bool:
        """Say whether `payload` has no violation. Raises as `report` does."""
        return self.report(payload, unsupported, engine).valid

    def _by_reference(self, payload: object) -> list[RawError]:
        if self._reference is None:
            from ttrules.reference import reference_validator

            self._reference = reference_validator(self._closed)
        from ttrules.reference import raw_errors

        return list(raw_errors(self._reference, payload))

    def _judge(
        self, payload: object, raw: Iterable[RawError], unsupported: Unsupported
    ) -> Report:
        """Turn raw errors into findings: one defect, one finding."""
        worst: dict[Path, tuple[int, Site, Any]] = {}
        found: list[tuple[Path, Finding]] = []
        suggested = 0
        for path, where, missing in raw:
            site = self._sites[where]
            if site.kind == "value":
                value = value_at(payload, path)
                code = _code_of(site, value)
                rank = _RANK[code]
                if path not in worst or rank < worst[path][0]:
                    worst[path] = (rank, site, value)
            elif site.kind == "object":
                here = (*path, missing or "")
                cell = self._sites[(*where[:-1], "properties", here[-1])]
                found.append((here, self._finding("error", "required", here, cell)))
            elif site.kind == "relation":
                found.append(self._relation(payload, path, site))
            elif site.kind == "undetermined":
                for name in site.limit:
                    here = (*path, name)
                    cell = self._sites[(*where[:-3], "properties", name)]
                    found.append(
                        (here, self._finding("undetermined", "process_dependent", here, cell))
                    )
            else:
                to_plain(value_at(payload, path), path)
                severity, params = "error", {}
                if site.kind != "prohibited":
                    if unsupported == "ignore" and site.kind == "not_supported":
                        continue
                    severity = "error" if unsupported == "error" else "warning"
                if site.kind == "unknown_field" and suggested < _SUGGESTED:
                    suggested += 1
                    params = _suggest(str(path[-1]), self._fields[site.entity])
                found.append((path, self._finding(severity, site.kind, path, site, params)))
        for path, (rank, site, value) in worst.items():
            to_plain(value, path)
            code = PRECEDENCE[rank]
            params = _params(code, site, self._shape_at(site))
            found.append((path, self._finding("error", code, path, site, params)))
        found.sort(key=lambda each: (each[0], each[1].code))
        return make_report(self.process, [finding for _, finding in found])

    def _shape_at(self, site: Site) -> Mapping[str, Any]:
        return site.details or {}

    def _relation(self, payload: object, path: Path, site: Site) -> tuple[Path, Finding]:
        details = site.details or {}
        fields: list[str] = details["fields"]
        target = value_at(payload, path)
        sent = tuple(isinstance(target, dict) and name in target for name in fields)
        name = fields[offending_field(details["relation"], sent)]
        cell = self._cells[(site.entity, name)]
        params = {key: details[key] for key in ("relation", "fields", "when") if key in details}
        here = (*path, name)
        return here, self._finding("error", "process_dependent", here, cell, params)

    @property
    def _cells(self) -> dict[tuple[str, str], Site]:
        return {
            (site.entity, site.field): site
            for site in self._sites.values()
            if site.field is not None and site.kind == "cell"
        }

    def _finding(
        self,
        severity: Severity | str,
        code: str,
        path: Path,
        site: Site,
        params: Mapping[str, Any] | None = None,
    ) -> Finding:
        field = site.field
        if field is None and code == "unknown_field":
            field = str(path[-1])
        return Finding(
            severity=severity,  # type: ignore[arg-type]
            code=code,
            pointer=pointer(path),
            entity=site.entity,
            field=field,
            requirement=site.requirement,
            process=self.process,
            params=params or {},
        )


def make_report(process: str | None, findings: Iterable[Finding]) -> Report:
    """Return the Report that holds `findings`, kept in their order."""
    sorts: dict[str, list[Finding]] = {"error": [], "warning": [], "undetermined": []}
    for finding in findings:
        sorts[finding.severity].append(finding)
    return Report(
        process=process,
        violations=tuple(sorts["error"]),
        warnings=tuple(sorts["warning"]),
        undetermined=tuple(sorts["undetermined"]),
    )
