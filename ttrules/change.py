"""Judging a change: a stored ticket, a patch, and the ticket that comes of them.

The patch is held against the Change process of the ticket as it will be; then come the rules that
need both tickets: members that may not be altered, the lifecycle, and what the Add process of its
type still demands of the whole. The sections selection, immutable, identity and removal of
interpretation.yaml are what is enforced here. A refused change leaves the ticket as it was.

Pure: neither the ticket nor the patch is changed. Applying a patch is patch's business, holding one
payload against one schema is that of rules.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ttrules.errors import ProcessNotSelected
from ttrules.patch import Patched, merged
from ttrules.plain import to_tree
from ttrules.rules import make_report
from ttrules.sentences import Said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ttrules.codes import Engine, Unsupported
    from ttrules.findings import Finding, Report
    from ttrules.lifecycle import Lifecycle
    from ttrules.plain import Path
    from ttrules.rules import Placed, Rules

    _Object = dict[str, Any]


class Change(NamedTuple):
    """What became of a patch.

    `ticket` is the ticket as it will be; where the report is not valid it is the stored one.
    """

    report: Report
    ticket: dict[str, Any]


class Changes:
    """The rules that changes of a book's tickets obey.

    `rules` gives the Rules of a process by name; `data` is the compiled book.
    """

    def __init__(
        self, data: Mapping[str, Any], rules: Mapping[str, Rules], lifecycle: Lifecycle | None
    ) -> None:
        self.data = data
        self.rules = rules
        self.lifecycle = lifecycle
        self.columns = {each["name"]: index for index, each in enumerate(data["processes"])}
        self.field = data["selection"]["field"]
        chosen = data["processes"] if self.field is not None else ()
        self.change = {e["value"]: e["name"] for e in chosen if e["operation"] == "change"}
        self.add = {e["value"]: e["name"] for e in chosen if e["operation"] == "add"}

    def judge(
        self,
        current: object,
        patch: object,
        unsupported: Unsupported,
        engine: Engine,
        by: str | None,
    ) -> Change:
        """Return the Change that `patch`, a merge patch or a list of operations, makes of a ticket.

        Raises NotJSON, PatchNotApplicable, and ProcessNotSelected when `current` is no ticket of a
        process that changes one.
        """
        stored, sent = to_tree(current), to_tree(patch)
        of_stored = self.process_of(stored)
        if isinstance(sent, list):
            patched = Patched(to_tree(current))
            patched.apply(sent)
            raw = patched.document
            process = self.change.get(_text(raw, self.field), of_stored)
            found = self.rules[process].findings(raw, unsupported, engine)
            placed = [each for each in found if _concerns(patched.touched, *each)]
            placed += self._walked(patched.touched, placed, process, unsupported)
        else:
            raw = merged(stored, sent) if isinstance(sent, dict) else stored
            process = self.change.get(_text(raw, self.field), of_stored)
            placed = self.rules[process].findings(sent, unsupported, engine)
        ticket = stored
        if isinstance(raw, dict):
            settling = _Settling(self.data, self.rules[process], self.columns[process], placed)
            ticket = settling.object_of(raw, stored, self.data["root"], ())
            placed = _joined(placed, settling.altered)
            placed = _joined(placed, self._transition(raw, stored, process, by))
            placed = _joined(placed, self._still_owed(raw, process, engine))
        placed = [self._with_all_types(*each) for each in sorted(placed, key=_order)]
        self.rules[process].suggest(placed)
        report = make_report(process, placed)
        return Change(report, ticket if report.valid else stored)

    def process_of(self, ticket: object) -> str:
        """Return the Change process of a stored ticket by name. Raises ProcessNotSelected."""
        process: str | None = self.change.get(_text(ticket, self.field) or "")
        if process is None:
            wanted = ", ".join(map(repr, self.change)) or Said("declared")
            raise ProcessNotSelected(Said("not_changed", field=self.field, wanted=wanted))
        return process

    def _with_all_types(self, path: Path, finding: Finding) -> Placed:
        """Let a wrong value of the selecting field name those of every process."""
        if finding.code == "enum" and path == (self.field,):
            rules = self.rules[finding.process or ""]
            site = rules.cell(self.data["root"], self.field)
            return path, rules.finding("enum", path, site, {"allowed": list(self.change)})
        return path, finding

    def _transition(
        self, raw: _Object, stored: _Object, process: str, by: str | None
    ) -> Iterator[Placed]:
        """Yield the finding on a move that the lifecycle does not list."""
        cycle = self.lifecycle
        if cycle is None:
            return
        before = stored.get(cycle.field, cycle.initial)
        after = raw.get(cycle.field, None if cycle.field in stored else before)
        if not cycle.allows(before, after, by):
            rules = self.rules[process]
            site = rules.cell(self.data["root"], cycle.field)
            params = {
                "from": before if isinstance(before, str) and before in cycle.moves else None,
                "allowed": list(cycle.followers(before, by)),
            }
            yield (cycle.field,), rules.finding("transition", (cycle.field,), site, params)

    def _still_owed(self, raw: _Object, process: str, engine: Engine) -> Iterator[Placed]:
        """Yield what the Add process of the ticket's type finds wrong with the whole ticket."""
        value = next(key for key, name in self.change.items() if name == process)
        add = self.add.get(value)
        if add is not None:
            whole = self._senders(raw, self.data["root"], add)
            for path, finding in self.rules[add].findings(whole, "ignore", engine):
                if finding.severity == "error":
                    yield path, finding

    def _senders(self, value: object, entity: str, process: str) -> Any:  # noqa: ANN401 - any JSON
        """Return `value` without the members that a sender of `process` has no say in."""
        if isinstance(value, list):
            return [self._senders(item, entity, process) for item in value]
        if not isinstance(value, dict):
            return value
        column, kept = self.columns[process], {}
        for name, row in self.data["entities"][entity].items():
            if name in value and row["requirements"][column] not in {"P", "-"}:
                inner = row["entity"]
                kept[name] = (
                    value[name] if inner is None else self._senders(value[name], inner, process)
                )
        return kept

    def _walked(
        self,
        touched: Mapping[Path, bool],
        placed: list[Placed],
        process: str,
        unsupported: Unsupported,
    ) -> Iterator[Placed]:
        """Yield findings on members that a JSON Patch reached, removed and parents included."""
        rules = self.rules[process]
        known = {path for path, _ in placed}
        for path in touched:
            entity: str | None = self.data["root"]
            for index, name in enumerate(path):
                here = path[: index + 1]
                if entity is None or here in known:
                    break
                if isinstance(name, int):
                    continue
                site = rules.cell(entity, name)
                if site.kind != "value":
                    known.add(here)
                    yield from rules.unwanted(here, site, unsupported)
                    break
                entity = self.data["entities"][entity][name]["entity"]


class _Settling:
    """One walk over the ticket as it was and as it shall be, which settles what is stored.

    Members that the process does not support go. Prohibited ones are the server's, and stay as they
    were. Unknown ones that the patch brought do not arrive. `altered` collects a finding per member
    that was altered though it may not be.
    """

    def __init__(
        self, data: Mapping[str, Any], rules: Rules, column: int, placed: Iterable[Placed]
    ) -> None:
        self.data, self.rules, self.column = data, rules, column
        self.unknown = {path for path, finding in placed if finding.code == "unknown_field"}
        self.altered: list[Placed] = []

    def object_of(self, raw: _Object, stored: _Object | None, entity: str, path: Path) -> _Object:
        """Return the object that is stored for `raw`; `stored` is what it was, None when new."""
        rows = self.data["entities"][entity]
        before = stored or {}
        for name in self.data["immutable"].get(entity, ()) if stored is not None else ():
            if not _same(raw.get(name), before.get(name)):
                here = (*path, name)
                site = self.rules.cell(entity, name)
                self.altered.append((here, self.rules.finding("immutable", here, site)))
        settled: _Object = {}
        for name in dict.fromkeys((*before, *raw)):
            here = (*path, name)
            code = rows[name]["requirements"][self.column] if name in rows else None
            if code == "-":
                continue
            kept = (code == "P" and name in before) or here in self.unknown
            source = before if kept else raw
            if name in source:
                value = source[name]
                if code is not None and rows[name]["entity"] is not None and not kept:
                    value = self._value(value, before.get(name), rows[name]["entity"], here)
                settled[name] = value
        return settled

    def _value(self, value: object, stored: object, entity: str, path: Path) -> Any:  # noqa: ANN401
        if isinstance(value, dict):
            before = stored if isinstance(stored, dict) else None
            return self.object_of(value, before, entity, path)
        if not isinstance(value, list):
            return value
        left = list(stored) if isinstance(stored, list) else []
        return [
            self._value(item, self._match(item, left), entity, (*path, index))
            for index, item in enumerate(value)
        ]

    def _match(self, item: object, left: list[Any]) -> object:
        """Take the stored item that `item` is out of those left: by identity, or as its equal."""
        for index, candidate in enumerate(left):
            if _same(item, candidate) or self._is(item, candidate):
                return left.pop(index)
        return None

    def _is(self, item: object, candidate: object) -> bool:
        if not isinstance(item, dict) or not isinstance(candidate, dict):
            return False
        shared = [name for name in self.data["identity"] if name in item and name in candidate]
        return bool(shared) and _same(item[shared[0]], candidate[shared[0]])


def _concerns(touched: Mapping[Path, bool], path: Path, finding: Finding) -> bool:
    """Say whether a finding on a patched ticket is one on the JSON Patch that made it."""
    if finding.code == "required":
        return True
    # A relation, and what is undetermined, is a matter of the whole object.
    about = path[:-1] if finding.code == "process_dependent" else path
    whole = finding.code == "process_dependent"
    return any(
        (deep and path[: len(place)] == place)
        or (place == path)
        or (whole and place[: len(about)] == about)
        for place, deep in touched.items()
    )


def _joined(placed: list[Placed], more: Iterable[Placed]) -> list[Placed]:
    """Add findings at places that have no violation yet: one defect is one finding."""
    taken = {path for path, finding in placed if finding.severity == "error"}
    return [*placed, *(each for each in more if each[0] not in taken)]


def _text(value: object, name: str | None) -> str | None:
    """Return the text that a member holds, or None."""
    member = value.get(name) if isinstance(value, dict) else None
    return member if isinstance(member, str) else None


def _same(one: object, other: object) -> bool:
    """Say whether two JSON values are the same; unlike Python, 1 is not true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _order(placed: Placed) -> tuple[list[tuple[bool, Any]], str]:
    return [(isinstance(part, str), part) for part in placed[0]], placed[1].code
