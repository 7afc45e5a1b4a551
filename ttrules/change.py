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

from ttrules.errors import ProcessNotSelected
from ttrules.findings import Report
from ttrules.items import Appended, Items, Rule, appended, edited, same
from ttrules.json_values import to_tree
from ttrules.message import reason
from ttrules.patch import Patched, merged
from ttrules.pointers import pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ttrules.codes import Engine, Unsupported
    from ttrules.findings import Finding
    from ttrules.json_values import JSONValue
    from ttrules.lifecycle import Lifecycle
    from ttrules.matrix import Matrix
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
        self.append_only = matrix.append_only.get(matrix.root, ())
        self.field = matrix.selection_field
        self.change = matrix.selected_by("change") if self.field is not None else {}
        self.add = matrix.selected_by("add") if self.field is not None else {}

    def validate(
        self,
        current: object,
        patch: object,
        unsupported: Unsupported,
        engine: Engine,
        by: str | None,
    ) -> Change:
        """Return the Change by `patch`, a merge patch or a list of operations.

        Raises NotJSON, PatchNotApplicable, and ProcessNotSelected if `current` has no Change
        process.
        """
        stored, sent = to_tree(current), to_tree(patch)
        of_stored = self.process_of(stored)
        touched: dict[Path, bool] = {}
        if isinstance(sent, list):
            patched = Patched(deepcopy(stored))
            patched.apply(_creating(sent, stored, self.append_only))
            raw, touched = patched.document, patched.touched
            process = self.change.get(_text(raw, self.field) or "", of_stored)
            placed = _concerning(touched, self.rules[process].findings(raw, unsupported, engine))
            placed += self._unwanted(touched, placed, process, unsupported)
        else:
            raw = merged(stored, sent) if isinstance(sent, dict) else stored
            process = self.change.get(_text(raw, self.field) or "", of_stored)
            placed = self.rules[process].findings(sent, unsupported, engine)
            touched = {(name,): True for name in (sent if isinstance(sent, dict) else ())}
        ticket = stored
        if isinstance(raw, dict):
            lists = self._appended(raw, stored, touched, process)
            placed = [each for each in placed if not _is_kept(lists, each[0])]
            placed = _joined(placed, self._altered(lists, process))
            merging = _Merging(self.matrix, self.rules[process], placed, lists)
            ticket = merging.object_of(raw, stored, self.matrix.root, ())
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
        process: str | None = self.change.get(_text(ticket, self.field) or "")
        if process is None:
            wanted = ", ".join(map(repr, self.change)) or reason("declared")
            raise ProcessNotSelected(reason("not_changed", field=self.field, wanted=wanted))
        return process

    def _with_all_types(self, path: Path, finding: Finding) -> Placed:
        """Return the finding; one on the selecting field lists the values of all processes."""
        if finding.code == "enum" and path == (self.field,):
            rules = self.rules[finding.process or ""]
            site = rules.cell(self.matrix.root, self.field or "")
            return path, rules.finding("enum", path, site, {"allowed": list(self.change)})
        return path, finding

    def _transition(
        self, raw: _Object, stored: _Object, process: str, by: str | None
    ) -> Iterator[Placed]:
        """Yield the finding for a transition that the lifecycle does not allow."""
        cycle = self.lifecycle
        if cycle is None:
            return
        before = stored.get(cycle.field, cycle.initial)
        after = raw.get(cycle.field, None if cycle.field in stored else before)
        if not cycle.allows(before, after, by):
            rules = self.rules[process]
            site = rules.cell(self.matrix.root, cycle.field)
            params = {
                "from": before if isinstance(before, str) and before in cycle.moves else None,
                "allowed": list(cycle.followers(before, by)),
            }
            if cycle.accepted(before) is not None:
                params["accepts"] = list(cycle.accepts or ())
            yield (cycle.field,), rules.finding("transition", (cycle.field,), site, params)

    def _finished(
        self, raw: _Object, stored: _Object, ticket: _Object, process: str
    ) -> Iterator[Placed]:
        """Yield a finding for each changed member that a final status does not accept."""
        cycle, rules, root = self.lifecycle, self.rules[process], self.matrix.root
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
                site = rules.cell(root, name)
                yield (name,), rules.finding("transition", (name,), site, params)

    def _appended(
        self, raw: _Object, stored: _Object, touched: Mapping[Path, bool], process: str
    ) -> dict[str, Appended]:
        """Return what a change does to each append-only list that it touches, by name.

        New items in `raw` get the defaults of members that they omit.
        """
        root, found = self.matrix.root, {}
        reached: dict[Path, dict[Any, bool]] = {}
        for path, deep in touched.items():
            places = reached.setdefault(path[:1], {})
            if path[1:]:
                places[path[1]] = places.get(path[1], False) or (deep and not path[2:])
        for name in self.append_only:
            row = self.matrix.entities[root][name]
            is_sent = row.requirements[process] not in {"P", "-"}
            if not is_sent or not {(name,), ()} & reached.keys():
                continue
            before, after = _listed(stored, name), raw.get(name)
            content = partial(self.settable, entity=row.entity or "", process=process)
            defaults = self.matrix.defaults.get(row.entity or "", {})
            rule = Rule(content, self.matrix.identity, defaults)
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

    def _altered(self, lists: Mapping[str, Appended], process: str) -> Iterator[Placed]:
        """Yield a finding for each altered or removed item of an append-only list."""
        rules, root = self.rules[process], self.matrix.root
        for name, change in lists.items():
            for place in change.altered:
                path, site = (name, *place), rules.cell(root, name)
                if len(path) > 2:  # noqa: PLR2004 - a member of an item
                    site = rules.cell(self.matrix.entities[root][name].entity or "", path[2])
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
        value = next(key for key, name in self.change.items() if name == process)
        add = self.add.get(value)
        if add is not None:
            root, grown = self.matrix.root, dict(raw)
            for name, change in lists.items():
                if isinstance(raw.get(name), list):
                    grown[name] = [*_listed(stored, name), *(raw[name][at] for at in change.new)]
            whole = self.settable(grown, root, add)
            for path, finding in self.rules[add].findings(whole, "ignore", engine):
                if finding.severity == "error":
                    place = _sent_place(path, lists, stored)
                    yield place, finding._replace(pointer=pointer(place))

    def settable(self, value: object, entity: str, process: str) -> JSONValue:
        """Return `value` without the members that a sender of `process` cannot set."""
        if isinstance(value, list):
            return [self.settable(item, entity, process) for item in value]
        if not isinstance(value, dict):
            return value
        kept: _Object = {}
        for name, row in self.matrix.entities[entity].items():
            if name in value and row.requirements[process] not in {"P", "-"}:
                inner = row.entity
                kept[name] = (
                    value[name] if inner is None else self.settable(value[name], inner, process)
                )
        return kept

    def _unwanted(
        self,
        touched: Mapping[Path, bool],
        placed: list[Placed],
        process: str,
        unsupported: Unsupported,
    ) -> Iterator[Placed]:
        """Yield findings for unwanted members on the paths of a JSON Patch, also removed ones."""
        rules = self.rules[process]
        known = {path for path, _ in placed}
        for path in touched:
            entity: str | None = self.matrix.root
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
                entity = self.matrix.entities[entity][name].entity


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
                inner = rows[name].entity if name in rows else None
                if inner is not None and not kept:
                    if not path and name in self.lists and isinstance(value, list):
                        value = self._grown(value, _listed(before, name), inner, name)
                    else:
                        value = self._value(value, before.get(name), inner, here)
                settled[name] = value
        return settled

    def _value(self, value: object, stored: object, entity: str, path: Path) -> JSONValue:
        if isinstance(value, dict):
            before = stored if isinstance(stored, dict) else None
            return self.object_of(value, before, entity, path)
        if not isinstance(value, list):
            return value
        left = stored if isinstance(stored, list) else []
        items, settled = Items(left, self.matrix.identity), []
        for index, item in enumerate(value):
            found = items.take(item)
            known = None if found is None else left[found]
            settled.append(self._value(item, known, entity, (*path, index)))
        return settled

    def _grown(self, value: list[Any], stored: list[Any], entity: str, name: str) -> list[Any]:
        """Return an append-only list: the stored items unchanged, then the new items."""
        nowhere: Path = (name, -1)  # stored items have no findings
        return [
            *(self._value(item, item, entity, nowhere) for item in stored),
            *(self._value(value[at], None, entity, (name, at)) for at in self.lists[name].new),
        ]


def _creating(operations: list[Any], stored: _Object, names: Iterable[str]) -> list[Any]:
    """Return operations in which the first that adds an item to an absent list creates it."""
    absent = {pointer((name,)) for name in names if name not in stored}
    made = []
    for each in operations:
        operation = each if isinstance(each, dict) else {}
        path = operation.get("path")
        if isinstance(path, str) and absent:
            owner, _, last = path.rpartition("/")
            is_first = operation.get("op") == "add" and "value" in operation and last in {"-", "0"}
            if owner in absent and is_first:
                made.append({**operation, "path": owner, "value": [operation["value"]]})
                absent.discard(owner)
                continue
            # After this operation the list may exist.
            absent = absent - {path} if path else set()
        made.append(each)
    return made


def _concerning(touched: Mapping[Path, bool], placed: Iterable[Placed]) -> list[Placed]:
    """Return the findings for a patched ticket that its JSON Patch caused."""
    whole = {place for place, deep in touched.items() if deep}
    around = {place[:size] for place in touched for size in range(len(place) + 1)}

    def concerns(path: Path, code: str) -> bool:
        """Return whether an operation touched the place of a finding."""
        if code == "required" or path in touched:
            return True
        # A relation or an undetermined condition concerns the whole object.
        about = path[:-1] if code == "process_dependent" else path
        is_around = code == "process_dependent" and about in around
        return is_around or any(path[:size] in whole for size in range(len(path)))

    return [each for each in placed if concerns(each[0], each[1].code)]


def _is_kept(lists: Mapping[str, Appended], path: Path) -> bool:
    """Return whether a place is in a stored item that an append-only list keeps."""
    name = path[0] if path[1:] else None
    return name in lists and path[1] in lists[str(name)].kept


def _sent_place(path: Path, lists: Mapping[str, Appended], stored: _Object) -> Path:
    """Return the place in the sent list for a place in a new item of the ticket's list."""
    if len(path) > 1 and path[0] in lists:
        name, index = str(path[0]), path[1]
        first = len(_listed(stored, name))
        if isinstance(index, int) and index >= first:
            return name, lists[name].new[index - first], *path[2:]
    return path


def _listed(ticket: _Object, name: str) -> list[Any]:
    """Return the objects in the list that is the value of a member."""
    value = ticket.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _joined(placed: list[Placed], more: Iterable[Placed]) -> list[Placed]:
    """Add findings at places without a violation: one defect is one finding."""
    taken = {path for path, finding in placed if finding.severity == "error"}
    return [*placed, *(each for each in more if each[0] not in taken)]


def _text(value: object, name: str | None) -> str | None:
    """Return the value of a member if it is text, or None."""
    member = value.get(name) if isinstance(value, dict) else None
    return member if isinstance(member, str) else None


def _order(placed: Placed) -> tuple[list[tuple[bool, Any]], str]:
    return [(isinstance(part, str), part) for part in placed[0]], placed[1].code
