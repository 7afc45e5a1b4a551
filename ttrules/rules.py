"""Holding one payload against the compiled rules of one process.

Two engines give the same raw errors, jsonschema-rs (fast) and jsonschema (the reference); the Sites
of the schema turn errors into findings: one defect, one finding. A payload that passes the closed
schema has nothing to report, which is the quick way out. An engine that breaks inside is NotJSON
where the payload is at fault, else EngineFailed; never a verdict.

Pure: a payload is never changed, and nothing here reads a file, a clock or a locale.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ttrules.codes import (
    BOUNDS,
    FORMATS,
    KEYWORD_CODES,
    PRECEDENCE,
    closest,
    is_blank,
    offending_field,
    pointer,
)
from ttrules.compile import ANNOTATION
from ttrules.errors import EngineFailed, NotJSON
from ttrules.findings import Finding, Report
from ttrules.plain import is_small, to_plain, value_at
from ttrules.sites import Site, closed, has_unseen, quick, sites
from ttrules.slices import is_bounded, sliced_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import jsonschema_rs

    from ttrules.codes import Engine, Severity, Unsupported
    from ttrules.plain import Path
    from ttrules.slices import RawError

#: A finding with the path that its pointer spells, by which findings are sorted.
Placed: TypeAlias = tuple["Path", Finding]

_SUGGESTED: Final = 20
#: The names that the engine takes for numbers.
_NUMERAL: Final = re.compile(r"\+?[0-9]+")
#: Types whose values are JSON, all of them: an engine that names an error has read every text.
_WHOLE: Final = frozenset({str, bool, type(None)})
_RANK: Final = {code: rank for rank, code in enumerate(PRECEDENCE)}
_EXPECTED: Final = {pattern: (name, text) for name, (pattern, text) in FORMATS.items()}
_SEVERITY: Final[dict[str, Severity]] = {"warn": "warning", "error": "error", "ignore": "warning"}


class Rules:
    """The rules of one process, ready to be held against payloads."""

    def __init__(self, schema: Mapping[str, Any], process: str) -> None:
        self.schema = schema
        self.process = process
        self._closed = closed(schema)
        self._unseen = has_unseen(self._closed)
        root = schema[ANNOTATION]["entity"]
        self._sites = sites(self._closed, root)
        self._cells = {
            (site.entity, site.field or ""): site
            for path, site in self._sites.items()
            if path[-2:-1] == ("properties",)
        }
        self._fine = Report(process=process)
        self._errors = _engine(self._closed).iter_errors
        self._reference: Any = None
        #: Whether a payload has nothing to report at all, not even a warning. It raises, or says
        #: no, for all others: then `report` knows.
        self.passes: Callable[[Any], bool] = _engine(quick(self._closed)).is_valid
        if not is_bounded(self._closed):
            is_valid = self.passes
            self.passes = lambda payload: is_small(payload) and is_valid(payload)

    def cell(self, entity: str, field: str) -> Site:
        """Return the Site of a cell in this process, or that of an unknown member."""
        unknown = Site(kind="unknown_field", keyword="not", entity=entity)
        return self._cells.get((entity, field), unknown)

    def report(
        self, payload: object, unsupported: Unsupported, engine: Engine, most: int | None = None
    ) -> Report:
        """Return the Report on `payload`, with at most `most` findings.

        Raises NotJSON when the payload holds what JSON cannot, EngineFailed when an engine breaks.
        """
        if engine == "fast":
            try:
                if self.passes(payload):
                    return self._fine
            except Exception:  # noqa: BLE001, S110 - `findings` stops at the same, and tells it
                pass
        return make_report(self.process, self.findings(payload, unsupported, engine), most)

    def findings(
        self, payload: object, unsupported: Unsupported, engine: Engine = "fast"
    ) -> list[Placed]:
        """Return every finding on `payload` with its path, in order. Raises as `report` does."""
        if engine == "fast" and not self._unseen and is_small(payload):
            try:
                return self._judge(payload, self._by_fast(payload), unsupported, is_plain=False)
            except NotJSON:
                raise
            except Exception:  # noqa: BLE001, S110 - to_plain finds what the engine stopped at
                pass
        payload = to_plain(payload)
        run = self._by_fast if engine == "fast" else self._by_reference
        try:
            small = is_small(payload)
            raw = list(run(payload) if small else sliced_errors(payload, self._closed, run))
        except Exception as error:
            message = f"the engine stopped at a payload of {self.process}: {type(error).__name__}"
            raise EngineFailed(message) from error
        return self._judge(payload, raw, unsupported, is_plain=True)

    def _by_fast(self, payload: object) -> list[RawError]:
        raw: list[RawError] = []
        numerals: dict[Path, dict[str, list[str]]] = {}
        for error in self._errors(payload):
            where, path = tuple(error.schema_path), tuple(error.instance_path)
            if path and isinstance(path[-1], int):
                path = _named(payload, path, numerals)
            missing = error.kind.as_dict()["property"] if where[-1] == "required" else None
            raw.append((path, where, missing))
        return raw

    def _by_reference(self, payload: object) -> list[RawError]:
        # Imported here since jsonschema takes longer to import than all of this package.
        from ttrules.reference import raw_errors, reference_validator

        if self._reference is None:
            self._reference = reference_validator(self._closed)
        return list(raw_errors(self._reference, payload))

    def _judge(
        self,
        payload: object,
        raw: list[RawError],
        unsupported: Unsupported,
        *,
        is_plain: bool,
    ) -> list[Placed]:
        """Turn raw errors into findings: one defect, one finding.

        Raises NotJSON for what a payload that is not plain holds where the engine did not look.
        """
        worst: dict[Path, tuple[int, Site, Any]] = {}
        found: list[Placed] = []
        is_any_unknown = False
        for path, where, missing in raw:
            site = self._sites[where]
            match site.kind:
                case "value":
                    value = value_at(payload, path)
                    rank = _RANK[_code_of(site, value)]
                    if path not in worst or rank < worst[path][0]:
                        worst[path] = (rank, site, value)
                case "required":
                    name = missing or ""
                    cell = self._cells[(site.entity, name)]
                    found.append(((*path, name), self.finding("required", (*path, name), cell)))
                case "relation":
                    found.append(self._relation(value_at(payload, path), path, site))
                case "undetermined":
                    found += self._undetermined(path, site)
                case kind:
                    path = path if len(path) >= site.depth else (*path, "")  # noqa: PLW2901
                    if not is_plain and type(value := value_at(payload, path)) not in _WHOLE:
                        to_plain(value, path)
                    found += self.unwanted(path, site, unsupported)
                    is_any_unknown = is_any_unknown or kind == "unknown_field"
        for path, (rank, site, value) in worst.items():
            if not is_plain and type(value) not in _WHOLE:
                to_plain(value, path)
            code = PRECEDENCE[rank]
            found.append((path, self.finding(code, path, site, expectation(code, site.node))))
        found = _without_items(found, raw)
        found.sort(key=_order)
        if is_any_unknown:
            self.suggest(found)
        return found

    def _relation(self, target: object, path: Path, site: Site) -> Placed:
        note = site.node
        sent = tuple(isinstance(target, dict) and name in target for name in note["fields"])
        name = note["fields"][offending_field(note["relation"], sent)]
        params = {key: note[key] for key in ("relation", "fields", "when") if key in note}
        here = (*path, name)
        cell = self._cells[(site.entity, name)]
        return here, self.finding("process_dependent", here, cell, params)

    def _undetermined(self, path: Path, site: Site) -> Iterator[Placed]:
        for name in site.node["fields"]:
            here = (*path, name)
            cell = self._cells[(site.entity, name)]
            yield here, self.finding("process_dependent", here, cell, severity="undetermined")

    def unwanted(self, path: Path, site: Site, unsupported: Unsupported) -> list[Placed]:
        """Return the finding, if any, on a member that is prohibited, unsupported or unknown."""
        if site.kind == "not_supported" and unsupported == "ignore":
            return []
        severity = "error" if site.kind == "prohibited" else _SEVERITY[unsupported]
        return [(path, self.finding(site.kind, path, site, severity=severity))]

    def suggest(self, found: list[Placed]) -> None:
        """Give the first unknown members, in place, the known name that is nearest to theirs."""
        left = _SUGGESTED
        for index, (path, finding) in enumerate(found):
            if finding.code == "unknown_field" and left:
                left -= 1
                known = [field for entity, field in self._cells if entity == finding.entity]
                if (name := closest(str(path[-1]), known)) is not None:
                    params = {"suggestion": name}
                    site = self._cells[(finding.entity or "", name)]
                    better = self.finding(
                        "unknown_field", path, site, params, severity=finding.severity
                    )
                    found[index] = path, better

    def finding(
        self,
        code: str,
        path: Path,
        site: Site,
        params: Mapping[str, Any] | None = None,
        *,
        severity: Severity = "error",
    ) -> Finding:
        """Return the Finding `code` at `path`, about the cell of `site`."""
        name, requirement = site.field, site.requirement
        if code == "unknown_field":
            name, requirement = str(path[-1]), None
        at, entity = pointer(path), site.entity
        members = severity, code, at, entity, name, requirement, self.process, params or {}
        # As Finding(*members), in half the time.
        return tuple.__new__(Finding, members)


def make_report(process: str | None, placed: Iterable[Placed], most: int | None = None) -> Report:
    """Return the Report with these findings, kept in their order: the first `most` of them."""
    sorts: dict[str, list[Finding]] = {"error": [], "warning": [], "undetermined": []}
    for _, finding in placed:
        sorts[finding.severity].append(finding)
    report = Report(
        process=process,
        violations=tuple(sorts["error"]),
        warnings=tuple(sorts["warning"]),
        undetermined=tuple(sorts["undetermined"]),
    )
    return report if most is None else report.first(most)


def _engine(schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    # Imported here since it takes a fifth of the time that importing all of this package does.
    import jsonschema_rs

    # The regex engine that runs in linear time: a payload cannot make a pattern run away.
    # Nor are values written out in its messages, which nobody reads.
    return jsonschema_rs.Draft202012Validator(
        schema, mask="", pattern_options=jsonschema_rs.RegexOptions()
    )


def _without_items(found: list[Placed], raw: list[RawError]) -> list[Placed]:
    """Return findings without those on what is in a list that is too long."""
    too_long = {path for path, where, _ in raw if where[-1] == "maxItems"}
    if not too_long:
        return found
    return [
        (path, finding)
        for path, finding in found
        if not any(path[:length] in too_long for length in range(len(path)))
    ]


def _order(placed: Placed) -> tuple[Path, str]:
    return placed[0], placed[1].code


def _is_empty(value: object) -> bool:
    """Say whether a value is a blank text or a list of nothing; 0 and false are something."""
    return is_blank(value) if isinstance(value, str) else value in ([], ())


def _code_of(site: Site, value: object) -> str:
    """Return the finding code for a value that fails the keyword of `site`."""
    if value is None:
        return "null"
    if site.keyword == "type":
        return "type"
    if site.not_empty and _is_empty(value):
        return "empty"
    return KEYWORD_CODES[site.keyword]


def _named(payload: object, path: Path, numerals: dict[Path, dict[str, list[str]]]) -> Path:
    """Return a path whose last part, a number, may be the name of a member.

    The engine tells of a member that is called "5", "05" or "+5" as 5. Only unknown members are
    called so, and each unknown member has an error of its own: they take turns. `numerals` keeps
    those of each object by their number, since an object may have many.
    """
    owner, place = value_at(payload, path[:-1]), path[:-1]
    if not isinstance(owner, dict):
        return path
    if place not in numerals:
        numerals[place] = {}
        for name in owner:
            if _NUMERAL.fullmatch(name):
                number = name.removeprefix("+").lstrip("0") or "0"
                numerals[place].setdefault(number, []).append(name)
    return (*place, numerals[place][str(path[-1])].pop())


def expectation(code: str, node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the params of a finding on a value: what the schema `node` expected there."""
    match code:
        case "type":
            kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
            return {"expected": [kind for kind in kinds if kind != "null"]}
        case "enum":
            return {"allowed": [each for each in node["enum"] if each is not None]}
        case "format":
            pattern = node["pattern"]
            name, text = _EXPECTED.get(pattern, ("pattern", pattern))
            return {"format": name, "expected": text}
        case "range" | "length":
            return {key: node[key] for key in BOUNDS[code] if key in node}
        case _:
            return {}
