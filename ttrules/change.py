"""Validate a change: a stored ticket, a patch, and the resulting ticket.

The patch is validated against the Change process of the resulting ticket. Then follow the rules
that need both tickets: immutable members, append-only lists, the lifecycle, and what the Add
process of its type still requires of the whole ticket. This enforces the sections selection,
immutable, append_only, identity and removal of interpretation.yaml. A rejected change leaves the
ticket as it was.

A finding for an item of an append-only list has the item's index in the list that was sent; after a
JSON Patch this is the list that the operations produce. A removed item has its stored index.

Pure: neither the ticket nor the patch is changed. `patch` applies patches, `validator` validates.
"""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ttrules.codes import PARTS
from ttrules.errors import ProcessNotSelected
from ttrules.findings import Report
from ttrules.items import (
    Appended,
    Items,
    Rule,
    appended,
    edited,
    is_kept,
    listed,
    same,
    sent_place,
)
from ttrules.json_values import to_tree
from ttrules.message import reason
from ttrules.patch import Patched, creating, merged
from ttrules.pointers import pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ttrules.codes import Engine, Unsupported
    from ttrules.findings import Finding
    from ttrules.json_values import JSONValue
    from ttrules.lifecycle import Lifecycle
    from ttrules.matrix import Field, Matrix
    from ttrules.message import Message
    from ttrules.pointers import Path
    from ttrules.validator import Placed, ProcessValidator

    _Object = dict[str, Any]

_ABSENT: Final = object()


class Change(NamedTuple):
    """The result of a patch.

    `ticket` is the resulting ticket, or the stored one if the report is not valid.
    """

    report: Report
    ticket: dict[str, Any]


class Changes:
    """The rules for changes of stored tickets.

    `rules` maps the name of a process to its ProcessValidator.
    """

    def __init__(
        self,
        matrix: Matrix,
        rules: Mapping[str, ProcessValidator],
        lifecycle: Lifecycle | None,
    ) -> None:
        self.matrix = matrix
        self.rules = rules
        self.lifecycle = lifecycle
        self.changing = matrix.selector("change")
        self.adding = matrix.selector("add")

    def validate(
        self,
        current: object,
        patch: object,
        *,
        process: str | None,
        unsupported: Unsupported,
        engine: Engine,
        by: str | None,
    ) -> Change:
        """Return the Change by `patch`, a merge patch or a list of operations.

        In a process whose operation is ``replace``, `patch` is the whole ticket. Raises NotJSON,
        PatchNotApplicable, and ProcessNotSelected if `process` is None and `current` has no Change
        process.
        """
        stored, sent = to_tree(current), to_tree(patch)
        given, of_stored = process, process or self.process_of(stored)
        touched: dict[Path, bool] = {}
        is_whole = self.matrix.process(of_stored).operation == "replace"
        if isinstance(sent, list) and not is_whole:
            patched = Patched(deepcopy(stored))
            patched.apply(creating(sent, stored, self._append_only(of_stored)))
            raw, touched = patched.document, patched.touched
            process = given or self.changing.select(raw) or of_stored
            placed = _concerning(touched, self.rules[process].findings(raw, unsupported, engine))
            placed += self._unwanted(raw, touched, placed, process, unsupported)
        else:
            raw = merged(stored, sent) if isinstance(sent, dict) else stored
            if is_whole and isinstance(sent, dict):
                raw = {**self._kept(stored, of_stored), **sent}
            process = given or self.changing.select(raw) or of_stored
            placed = self.rules[process].findings(sent, unsupported, engine)
            names = {*sent, *(stored if is_whole else ())} if isinstance(sent, dict) else ()
            touched = {(name,): True for name in names}
        ticket = stored
        if isinstance(raw, dict):
            lists = self._appended(raw, stored, touched, process)
            placed = [each for each in placed if not is_kept(lists, each[0])]
            placed = _joined(placed, self._altered(raw, lists, process))
            merging = _Merging(self.matrix, self.rules[process], placed, lists)
            ticket = merging.object_of(raw, stored, self.matrix.root_of(process), ())
            placed = _joined(placed, merging.altered)
            placed = _joined(placed, self._transition(raw, stored, process, by))
            placed = _joined(placed, self._finished(raw, stored, ticket, process))
            placed = _joined(placed, self._add_violations(raw, stored, lists, process, engine))
        placed = [self._with_all_types(*each) for each in sorted(placed, key=_order)]
        self.rules[process].suggest(placed)
        report = Report.of(process, (each for _, each in placed))
        return Change(report, ticket if report.valid else stored)

    def process_of(self, ticket: object) -> str:
        """Return the Change process of a stored ticket by name. Raises ProcessNotSelected."""
        process = self.changing.select(ticket)
        if process is None:
            raise ProcessNotSelected(self._why_not())
        return process

    def _why_not(self) -> Message:
        """Return why a stored ticket selects no process."""
        selector, field = self.changing, self.matrix.selection_field
        if selector.others:
            return reason("name_process", processes=", ".join(p.name for p in selector.others))
        if not selector.path:
            return reason("no_change")
        wanted = ", ".join(repr(value) for each in selector.processes for value in each.values)
        return reason("not_changed", field=field, wanted=wanted)

    def _append_only(self, process: str) -> tuple[str, ...]:
        return self.matrix.append_only.get(self.matrix.root_of(process), ())

    def _kept(self, stored: _Object, process: str) -> _Object:
        """Return the members of a stored ticket that the sender of a whole ticket cannot set."""
        root = self.matrix.root_of(process)
        rows, fixed = self.matrix.entities[root], self.matrix.immutable.get(root, ())
        return {
            name: value
            for name, value in stored.items()
            if name in fixed or name not in rows or rows[name].requirements[process] == "P"
        }

    def _with_all_types(self, path: Path, finding: Finding) -> Placed:
        """Return the finding; one on the selecting field lists the values of all processes."""
        selecting = self.changing.processes
        is_known = any(each.name == finding.process for each in selecting)
        if finding.code == "enum" and path and path == self.changing.path and is_known:
            allowed = [value for each in selecting for value in each.values]
            return path, finding._replace(params={"allowed": allowed})
        return path, finding

    def _cycle_of(self, root: str) -> Lifecycle | None:
        """Return the lifecycle, or None if payloads with this root have no status."""
        cycle = self.lifecycle
        return cycle if cycle is not None and cycle.field in self.matrix.entities[root] else None

    def _transition(
        self, raw: _Object, stored: _Object, process: str, by: str | None
    ) -> Iterator[Placed]:
        """Yield the finding for a transition that the lifecycle does not allow."""
        root = self.matrix.root_of(process)
        cycle = self._cycle_of(root)
        if cycle is None:
            return
        before = stored.get(cycle.field, cycle.initial)
        after = raw.get(cycle.field, None if cycle.field in stored else before)
        if not cycle.allows(before, after, by):
            rules = self.rules[process]
            site = rules.cell(root, cycle.field)
            params = {
                "from": before if isinstance(before, str) and before in cycle.moves else None,
                "allowed": list(cycle.followers(before, by)),
            }
            if cycle.accepted(before) is not None:
                params["accepts"] = list(cycle.accepts or ())
            params |= self.matrix.noun_params
            yield (cycle.field,), rules.finding("transition", (cycle.field,), site, params)

    def _finished(
        self, raw: _Object, stored: _Object, ticket: _Object, process: str
    ) -> Iterator[Placed]:
        """Yield a finding for each changed member that a final status does not accept."""
        rules, root = self.rules[process], self.matrix.root_of(process)
        cycle = self._cycle_of(root)
        before = None if cycle is None else stored.get(cycle.field, cycle.initial)
        accepted = None if cycle is None else cycle.accepted(before)
        if accepted is None:
            return
        for name in self.matrix.entities[root]:
            is_changed = not all(
                same(each.get(name, _ABSENT), stored.get(name, _ABSENT)) for each in (raw, ticket)
            )
            if name not in accepted and is_changed and rules.cell(root, name).kind == "value":
                params = {"from": before, "allowed": [], "accepts": list(accepted)}
                params |= self.matrix.noun_params
                site = rules.cell(root, name)
                yield (name,), rules.finding("transition", (name,), site, params)

    def _appended(
        self, raw: _Object, stored: _Object, touched: Mapping[Path, bool], process: str
    ) -> dict[str, Appended]:
        """Return what a change does to each append-only list that it touches, by name.

        New items in `raw` get the defaults of members that they omit.
        """
        root, found = self.matrix.root_of(process), {}
        reached: dict[Path, dict[Any, bool]] = {}
        for path, deep in touched.items():
            places = reached.setdefault(path[:1], {})
            if path[1:]:
                places[path[1]] = places.get(path[1], False) or (deep and not path[2:])
        for name in self._append_only(process):
            row = self.matrix.entities[root][name]
            is_sent = row.requirements[process] not in {"P", "-"}
            if not is_sent or not {(name,), ()} & reached.keys():
                continue
            before, after = listed(stored, name), raw.get(name)
            content = partial(self.settable_below, row=row, process=process, shape={})
            rule = Rule(content, self.matrix.identity, partial(self._defaults, row))
            if not isinstance(after, list):
                found[name] = Appended([], [()] if before else [], frozenset())
                continue
            if touched.get((name,)) or touched.get(()):
                found[name] = appended(before, after, rule)
            else:
                found[name] = edited(before, after, reached[name,], rule)
            raw[name] = [*after]
            for place in found[name].new:
                raw[name][place] = rule.completed(after[place])
        return found

    def _defaults(self, row: Field, item: object) -> Mapping[str, str]:
        """Return the defaults of a new item of an append-only list."""
        return self.matrix.defaults.get(self._entity(row, item) or "", {})

    def _altered(
        self, raw: _Object, lists: Mapping[str, Appended], process: str
    ) -> Iterator[Placed]:
        """Yield a finding for each altered or removed item of an append-only list."""
        rules, root = self.rules[process], self.matrix.root_of(process)
        for name, change in lists.items():
            for place in change.altered:
                path, site = (name, *place), rules.cell(root, name)
                if len(path) > 2:  # noqa: PLR2004 - a member of an item
                    row, item = self.matrix.entities[root][name], raw[name][path[1]]
                    site = rules.cell(self._entity(row, item) or "", path[2])
                params = {"list": name, "append": pointer((name, "-"))}
                yield path, rules.finding("immutable", path, site, params)

    def _add_violations(
        self,
        raw: _Object,
        stored: _Object,
        lists: Mapping[str, Appended],
        process: str,
        engine: Engine,
    ) -> Iterator[Placed]:
        """Yield the errors that the Add process of the ticket's type finds in the whole ticket."""
        add = self._add_of(raw, process)
        if add is not None:
            root, grown = self.matrix.root_of(add), dict(raw)
            for name, change in lists.items():
                if isinstance(raw.get(name), list):
                    grown[name] = [*listed(stored, name), *(raw[name][at] for at in change.new)]
            whole = self.settable(grown, root, add)
            for path, finding in self.rules[add].findings(whole, "ignore", engine):
                if finding.severity == "error":
                    place = sent_place(path, lists, stored)
                    yield place, finding._replace(pointer=pointer(place))

    def _add_of(self, raw: _Object, process: str) -> str | None:
        """Return the Add process whose rules a ticket must meet after a change, or None."""
        names = [each.name for each in self.matrix.counterparts(self.matrix.process(process))]
        chosen = self.adding.select(raw)
        return chosen if chosen in names else names[0] if len(names) == 1 else None

    def settable(self, value: _Object, entity: str, process: str) -> _Object:
        """Return an object without the members that a sender of `process` cannot set."""
        return {
            name: self.settable_below(value[name], row, process)
            for name, row in self.matrix.entities[entity].items()
            if name in value and row.requirements[process] not in {"P", "-"}
        }

    def settable_below(
        self, value: object, row: Field, process: str, shape: Mapping[str, Any] | None = None
    ) -> JSONValue:
        """Return the value of a field without the members that a sender cannot set.

        `shape` is that of the value, if it is an item of the field's list or a value of its map.
        """
        below = _below(row.shape if shape is None else shape)
        if isinstance(value, list):
            return [self.settable_below(item, row, process, below or {}) for item in value]
        if not isinstance(value, dict):
            return value
        if below is not None:
            items = value.items()
            return {name: self.settable_below(each, row, process, below) for name, each in items}
        entity = self._entity(row, value)
        return value if entity is None else self.settable(value, entity, process)

    def _unwanted(
        self,
        raw: JSONValue,
        touched: Mapping[Path, bool],
        placed: list[Placed],
        process: str,
        unsupported: Unsupported,
    ) -> Iterator[Placed]:
        """Yield findings for unwanted members on the paths of a JSON Patch, also removed ones."""
        rules = self.rules[process]
        known = {path for path, _ in placed}
        for path in touched:
            value, row, shape = raw, None, None
            for index, name in enumerate(path):
                here = path[: index + 1]
                if here in known:
                    break
                if shape is not None or isinstance(name, int):  # an item or a value of a map
                    value, shape = _part(value, name), _below(shape or {})
                    continue
                entity = self.matrix.root_of(process) if row is None else self._entity(row, value)
                if entity is None:
                    break
                site = rules.cell(entity, name)
                if site.kind != "value":
                    known.add(here)
                    yield from rules.unwanted(here, site, unsupported)
                    break
                row = self.matrix.entities[entity][name]
                value, shape = _part(value, name), _below(row.shape)

    def _entity(self, row: Field, value: object) -> str | None:
        """Return the entity of the value of a field, which may be removed or invalid."""
        return self.matrix.variant_of(row, value if isinstance(value, dict) else {})


class _Merging:
    """One walk over the stored and the patched ticket, which decides what is stored.

    Unsupported members are removed. Prohibited members belong to the server and keep their stored
    value. Unknown members of the patch are left out. `altered` collects a finding for each
    immutable member that was altered.
    """

    def __init__(
        self,
        matrix: Matrix,
        rules: ProcessValidator,
        placed: Iterable[Placed],
        lists: Mapping[str, Appended],
    ) -> None:
        self.matrix, self.rules, self.lists = matrix, rules, lists
        self.unknown = {path for path, finding in placed if finding.code == "unknown_field"}
        self.altered: list[Placed] = []

    def object_of(self, raw: _Object, stored: _Object | None, entity: str, path: Path) -> _Object:
        """Return the object to store for `raw`; `stored` is the stored one, None if it is new."""
        rows = self.matrix.entities[entity]
        before = stored or {}
        for name in self.matrix.immutable.get(entity, ()) if stored is not None else ():
            if not same(raw.get(name), before.get(name)):
                here = (*path, name)
                site = self.rules.cell(entity, name)
                self.altered.append((here, self.rules.finding("immutable", here, site)))
        settled: _Object = {}
        for name in dict.fromkeys((*before, *raw)):
            here = (*path, name)
            code = rows[name].requirements[self.rules.process] if name in rows else None
            if code == "-":
                continue
            kept = (code == "P" and name in before) or here in self.unknown
            source = before if kept else raw
            if name in source:
                value = source[name]
                inner = rows.get(name)
                if inner is not None and inner.entities and not kept:
                    if not path and name in self.lists and isinstance(value, list):
                        value = self._grown(value, listed(before, name), inner, name)
                    else:
                        value = self._value(value, before.get(name), inner, here, inner.shape)
                settled[name] = value
        return settled

    def _value(
        self, value: object, stored: object, row: Field, path: Path, shape: Mapping[str, Any]
    ) -> JSONValue:
        below = _below(shape)
        if isinstance(value, dict):
            before = stored if isinstance(stored, dict) else None
            if below is not None:
                known = before or {}
                return {
                    name: self._value(each, known.get(name), row, (*path, name), below)
                    for name, each in value.items()
                }
            entity = self.matrix.variant_of(row, value)
            if entity is None:
                return value
            if before is not None and entity != self.matrix.variant_of(row, before):
                # Another variant: what only the stored object can have is not kept.
                rows = self.matrix.entities[entity]
                before, value = None, {name: value[name] for name in value if name in rows}
            return self.object_of(value, before, entity, path)
        if not isinstance(value, list):
            return value
        left = stored if isinstance(stored, list) else []
        items, settled = Items(left, self.matrix.identity), []
        for index, item in enumerate(value):
            found = items.take(item)
            held = None if found is None else left[found]
            settled.append(self._value(item, held, row, (*path, index), below or {}))
        return settled

    def _grown(self, value: list[Any], stored: list[Any], row: Field, name: str) -> list[Any]:
        """Return an append-only list: the stored items unchanged, then the new items."""
        nowhere: Path = (name, -1)  # stored items have no findings
        return [
            *(self._value(item, item, row, nowhere, {}) for item in stored),
            *(self._value(value[at], None, row, (name, at), {}) for at in self.lists[name].new),
        ]


def _concerning(touched: Mapping[Path, bool], placed: Iterable[Placed]) -> list[Placed]:
    """Return the findings for a patched ticket that its JSON Patch caused."""
    whole = {place for place, deep in touched.items() if deep}
    around = {place[:size] for place in touched for size in range(len(place) + 1)}

    def concerns(path: Path, code: str) -> bool:
        """Return whether an operation touched the place of a finding."""
        # A relation or an undetermined condition concerns the whole object.
        about = path[:-1] if code == "process_dependent" else path
        is_below = any(path[:size] in whole for size in range(len(path)))
        return code == "required" or about in around or is_below

    return [each for each in placed if concerns(each[0], each[1].code)]


def _below(shape: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the shape of the items of a list, or of the values of a map; None for others."""
    return next((shape[key] for key in PARTS & shape.keys()), None)


def _part(value: object, key: str | int) -> JSONValue:
    """Return a member or an item, or None if there is none."""
    try:
        return value[key]  # type: ignore[index]  # or the error is caught
    except (KeyError, IndexError, TypeError):
        return None


def _joined(placed: list[Placed], more: Iterable[Placed]) -> list[Placed]:
    """Add findings at places without a violation: one defect is one finding."""
    taken = {path for path, finding in placed if finding.severity == "error"}
    return [*placed, *(each for each in more if each[0] not in taken)]


def _order(placed: Placed) -> tuple[list[tuple[bool, Any]], str]:
    return [(isinstance(part, str), part) for part in placed[0]], placed[1].code
