"""Validate one payload against the compiled rules of one process.

An engine reports errors; the meaning of each keyword turns them into findings, one finding for each
defect. A payload that the strict schema accepts has no finding, which is the fast path. If an
engine breaks, the result is NotJSON when the payload is not JSON, otherwise EngineFailed, and never
a verdict.

Pure: a payload is never changed, and nothing here reads a file, a clock or a locale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ttrules.codes import (
    ANNOTATION,
    BOUNDS,
    ENGINES,
    FORMAT_BOUNDS,
    FORMATS,
    KEYWORD_CODES,
    PRECEDENCE,
    closest,
    is_blank,
    offending_field,
)
from ttrules.engines import FastEngine, ReferenceEngine, all_errors, strict_schema
from ttrules.errors import EngineFailed, NoSuchChoice
from ttrules.findings import Finding, Report
from ttrules.json_values import to_plain, value_at
from ttrules.keywords import KeywordMeaning, keyword_meanings
from ttrules.matrix import type_names
from ttrules.pointers import pointer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.codes import Engine, Severity, Unsupported
    from ttrules.pointers import Path
    from ttrules.slices import RawError

#: A finding with the path that its pointer spells, by which findings are sorted.
Placed: TypeAlias = tuple["Path", Finding]

#: How many unknown members of a payload get a suggestion.
_SUGGESTED: Final = 20
#: Types whose values are JSON, except for a text with a lone surrogate, which the engine refuses.
_ALWAYS_JSON: Final = frozenset({str, bool, type(None)})
_RANK: Final = {code: rank for rank, code in enumerate(PRECEDENCE)}
_EXPECTED: Final = {pattern: (name, text) for name, (pattern, text) in FORMATS.items()}
_SEVERITY: Final[dict[str, Severity]] = {"warn": "warning", "error": "error", "ignore": "warning"}


class ProcessValidator:
    """The rules of one process, ready to validate payloads.

    `accepts` is the quickest test of a payload: True means that there is nothing to report. It may
    raise, or return False, for a payload that is valid; then only `report` gives a verdict.
    """

    def __init__(self, schema: Mapping[str, Any], process: str) -> None:
        self.schema = schema
        self.process = process
        self.strict = strict_schema(schema)
        self._meanings = keyword_meanings(self.strict, schema[ANNOTATION]["entity"])
        self._cells = {
            (meaning.entity, meaning.field or ""): meaning
            for path, meaning in self._meanings.items()
            if path[-2:] == ("properties", meaning.field)
        }
        self._nothing_found = Report(process=process)
        self._fast = FastEngine(self.strict)
        self._reference = ReferenceEngine(self.strict)
        self.accepts = self._fast.accepts

    def cell(self, entity: str, field: str) -> KeywordMeaning:
        """Return the meaning of a cell in this process, or that of an unknown member."""
        unknown = KeywordMeaning(kind="unknown_field", keyword="not", entity=entity)
        return self._cells.get((entity, field), unknown)

    def report(
        self, payload: object, unsupported: Unsupported, engine: Engine, most: int | None = None
    ) -> Report:
        """Return the Report on `payload`, with at most `most` findings.

        Raises NotJSON when the payload contains a value that is not JSON, EngineFailed when an
        engine breaks.
        """
        if engine == "fast":
            # The engine raises at a value that is not JSON. Testing the values first would take
            # longer than the whole validation, so the exception decides that `findings` is needed.
            try:
                if self.accepts(payload):
                    return self._nothing_found
            except Exception:  # noqa: BLE001, S110 - `findings` meets the same value and reports it
                pass
        found = self.findings(payload, unsupported, engine)
        return Report.of(self.process, [each for _, each in found], most)

    def findings(
        self, payload: object, unsupported: Unsupported, engine: Engine = "fast"
    ) -> list[Placed]:
        """Return all findings on `payload` with their paths, in order. Raises as `report` does."""
        if engine == "fast":
            raw = self._fast.errors_unconverted(payload)
            if raw is not None:
                return self._findings_of(payload, raw, unsupported, is_plain=False)
        plain = to_plain(payload)
        chosen = self._fast if known_engine(engine) == "fast" else self._reference
        raw = all_errors(chosen, plain, self.strict)
        return self._findings_of(plain, raw, unsupported, is_plain=True)

    def _findings_of(
        self,
        payload: object,
        raw: list[RawError],
        unsupported: Unsupported,
        *,
        is_plain: bool,
    ) -> list[Placed]:
        """Turn the errors of an engine into findings: one finding for each defect.

        A payload that is not plain may contain values that are not JSON where the engine reported
        an error; for these it raises NotJSON.
        """
        worst: dict[Path, tuple[int, KeywordMeaning, Any]] = {}
        found: list[Placed] = []
        is_any_unknown = False
        for path, where, missing in raw:
            meaning = self._meanings.get(where)
            if meaning is None:
                raise EngineFailed(f"an engine reported an unknown schema path: {pointer(where)}")
            match meaning.kind:
                case "value":
                    value = value_at(payload, path)
                    rank = _RANK[_code_of(meaning, value)]
                    if path not in worst or rank < worst[path][0]:
                        worst[path] = (rank, meaning, value)
                case "required":
                    name = missing or ""
                    cell = self._cells[(meaning.entity, name)]
                    found.append(((*path, name), self.finding("required", (*path, name), cell)))
                case "relation":
                    found.append(self._relation(value_at(payload, path), path, meaning))
                case "undetermined":
                    found += self._undetermined(path, meaning)
                case kind:
                    if not is_plain and type(value := value_at(payload, path)) not in _ALWAYS_JSON:
                        to_plain(value, path)
                    found += self.unwanted(path, meaning, unsupported)
                    is_any_unknown = is_any_unknown or kind == "unknown_field"
        for path, (rank, meaning, value) in worst.items():
            if not is_plain and type(value) not in _ALWAYS_JSON:
                to_plain(value, path)
            code = PRECEDENCE[rank]
            params = expectation(code, meaning.node)
            found.append((path, self.finding(code, path, meaning, params)))
        found = _without_items(found, raw)
        found.sort(key=_order)
        if is_any_unknown:
            self.suggest(found)
        return found

    def _relation(self, target: object, path: Path, meaning: KeywordMeaning) -> Placed:
        note = meaning.node
        sent = tuple(isinstance(target, dict) and name in target for name in note["fields"])
        name = note["fields"][offending_field(note["relation"], sent)]
        params = {key: note[key] for key in ("relation", "fields", "when") if key in note}
        here = (*path, name)
        cell = self._cells[(meaning.entity, name)]
        return here, self.finding("process_dependent", here, cell, params)

    def _undetermined(self, path: Path, meaning: KeywordMeaning) -> Iterator[Placed]:
        for name in meaning.node["fields"]:
            here = (*path, name)
            cell = self._cells[(meaning.entity, name)]
            yield here, self.finding("process_dependent", here, cell, severity="undetermined")

    def unwanted(
        self, path: Path, meaning: KeywordMeaning, unsupported: Unsupported
    ) -> list[Placed]:
        """Return the finding, if any, on a member that is prohibited, unsupported or unknown."""
        if meaning.kind == "not_supported" and unsupported == "ignore":
            return []
        severity = "error" if meaning.kind == "prohibited" else _SEVERITY[unsupported]
        return [(path, self.finding(meaning.kind, path, meaning, severity=severity))]

    def suggest(self, found: list[Placed]) -> None:
        """Add the closest known name to the first findings on unknown members, in place."""
        left = _SUGGESTED
        for index, (path, finding) in enumerate(found):
            if finding.code == "unknown_field" and left:
                left -= 1
                known = [field for entity, field in self._cells if entity == finding.entity]
                if (name := closest(str(path[-1]), known)) is not None:
                    params = {"suggestion": name}
                    cell = self._cells[(finding.entity or "", name)]
                    better = self.finding(
                        "unknown_field", path, cell, params, severity=finding.severity
                    )
                    found[index] = path, better

    def finding(
        self,
        code: str,
        path: Path,
        meaning: KeywordMeaning,
        params: Mapping[str, Any] | None = None,
        *,
        severity: Severity = "error",
    ) -> Finding:
        """Return the Finding `code` at `path`, about the cell of `meaning`."""
        name, requirement = meaning.field, meaning.requirement
        if code == "unknown_field":
            name, requirement = str(path[-1]), None
        # By position, because keywords take twice as long.
        return Finding(
            severity,
            code,
            pointer(path),
            meaning.entity,
            name,
            requirement,
            self.process,
            params or {},
        )


def known_engine(engine: Engine) -> Engine:
    """Return the name of an engine. Raises NoSuchChoice."""
    if engine not in ENGINES:
        raise NoSuchChoice("engine", engine, ENGINES)
    return engine


def _without_items(found: list[Placed], raw: list[RawError]) -> list[Placed]:
    """Return findings without those on items of a list that is too long."""
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
    """Return whether a value is a blank text or an empty list; 0 and false are not empty."""
    return is_blank(value) if isinstance(value, str) else value in ([], ())


def _code_of(meaning: KeywordMeaning, value: object) -> str:
    """Return the finding code for a value that fails the keyword of `meaning`."""
    if value is None:
        return "null"
    if meaning.keyword == "type":
        return "type"
    if meaning.not_empty and _is_empty(value):
        return "empty"
    return KEYWORD_CODES[meaning.keyword]


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
        case "variant":
            entities = node.get(ANNOTATION, node).get("variants", ())
            scalars = (name for name in type_names(node) if name != "object")
            return {"variants": list(dict.fromkeys((*entities, *scalars)))}
        case "range" | "length":
            bounds = {key: node[key] for key in BOUNDS[code] if key in node}
            name = node.get("format", "")
            limits = FORMAT_BOUNDS.get(name, {}) if code == "range" else {}
            is_named = any(bounds.get(key) == limit for key, limit in limits.items())
            return {"format": name, **bounds} if is_named else bounds
        case _:
            return {}
