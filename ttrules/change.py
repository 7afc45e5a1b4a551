"""Judging a change: a stored ticket, a patch, and the ticket that comes of them.

The patch is held against the Change process of the ticket as it will be; then come the rules that
need both tickets: members that may not be altered, lists that only grow, the lifecycle, and what
the Add process of its type still demands of the whole. The sections selection, immutable,
append_only, identity and removal of interpretation.yaml are what is enforced here. A refused change
leaves the ticket as it was.

A finding on an item of an append-only list has the item's index in the list that was sent; after a
JSON Patch that is the list as the operations leave it. A removed item has its stored index.

Pure: neither the ticket nor the patch is changed. Applying a patch is patch's business, holding one
payload against one schema is that of rules.
"""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ttrules.codes import pointer
from ttrules.errors import ProcessNotSelected
from ttrules.items import Appended, Items, Rule, appended, edited, same
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

_ABSENT: Final = object()


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
        self.append_only: list[str] = data["append_only"].get(data["root"], [])
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
        touched: dict[Path, bool] = {}
        if isinstance(sent, list):
            patched = Patched(deepcopy(stored))
            patched.apply(_creating(sent, stored, self.append_only))
            raw, touched = patched.document, patched.touched
            process = self.change.get(_text(raw, self.field), of_stored)
            placed = _concerning(touched, self.rules[process].findings(raw, unsupported, engine))
            placed += self._walked(touched, placed, process, unsupported)
        else:
            raw = merged(stored, sent) if isinstance(sent, dict) else stored
            process = self.change.get(_text(raw, self.field), of_stored)
            placed = self.rules[process].findings(sent, unsupported, engine)
            touched = {(name,): True for name in (sent if isinstance(sent, dict) else ())}
        ticket = stored
        if isinstance(raw, dict):
            lists = self._appended(raw, stored, touched, process)
            placed = [each for each in placed if not _is_kept(lists, each[0])]
            placed = _joined(placed, self._altered(lists, process))
            column = self.columns[process]
            settling = _Settling(self.data, self.rules[process], column, placed, lists)
            ticket = settling.object_of(raw, stored, self.data["root"], ())
            placed = _joined(placed, settling.altered)
            placed = _joined(placed, self._transition(raw, stored, process, by))
            placed = _joined(placed, self._finished(raw, stored, ticket, process))
            placed = _joined(placed, self._still_owed(raw, stored, lists, process, engine))
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
            if cycle.accepted(before) is not None:
                params["accepts"] = list(cycle.accepts or ())
            yield (cycle.field,), rules.finding("transition", (cycle.field,), site, params)

    def _finished(
        self, raw: _Object, stored: _Object, ticket: _Object, process: str
    ) -> Iterator[Placed]:
        """Yield a finding on each member whose change a final status does not accept."""
        cycle, rules, root = self.lifecycle, self.rules[process], self.data["root"]
        before = None if cycle is None else stored.get(cycle.field, cycle.initial)
        accepted = None if cycle is None else cycle.accepted(before)
        if accepted is None:
            return
        for name in self.data["entities"][root]:
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
        """Return what a change does to the append-only lists that it touches, by their names.

        New items in `raw` get the members that they leave out and that have a default.
        """
        root, found = self.data["root"], {}
        reached: dict[Path, dict[Any, bool]] = {}
        for path, deep in touched.items():
            places = reached.setdefault(path[:1], {})
            if path[1:]:
                places[path[1]] = places.get(path[1], False) or (deep and not path[2:])
        for name in self.append_only:
            row = self.data["entities"][root][name]
            is_sent = row["requirements"][self.columns[process]] not in {"P", "-"}
            if not is_sent or not {(name,), ()} & reached.keys():
                continue
            before, after = _listed(stored, name), raw.get(name)
            content = partial(self.senders, entity=row["entity"], process=process)
            defaults = self.data["defaults"].get(row["entity"], {})
            rule = Rule(content, self.data["identity"], defaults)
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
        """Yield a finding where a change would alter or remove an item of an append-only list."""
        rules, root = self.rules[process], self.data["root"]
        for name, change in lists.items():
            for place in change.altered:
                path, site = (name, *place), rules.cell(root, name)
                if len(path) > 2:  # noqa: PLR2004 - a member of an item
                    site = rules.cell(self.data["entities"][root][name]["entity"], path[2])
                params = {"list": name, "append": pointer((name, "-"))}
                yield path, rules.finding("immutable", path, site, params)

    def _still_owed(
        self,
        raw: _Object,
        stored: _Object,
        lists: Mapping[str, Appended],
        process: str,
        engine: Engine,
    ) -> Iterator[Placed]:
        """Yield what the Add process of the ticket's type finds wrong with the whole ticket."""
        value = next(key for key, name in self.change.items() if name == process)
        add = self.add.get(value)
        if add is not None:
            root, grown = self.data["root"], dict(raw)
            for name, change in lists.items():
                if isinstance(raw.get(name), list):
                    grown[name] = [*_listed(stored, name), *(raw[name][at] for at in change.new)]
            whole = self.senders(grown, root, add)
            for path, finding in self.rules[add].findings(whole, "ignore", engine):
                if finding.severity == "error":
                    place = _sent_place(path, lists, stored)
                    yield place, finding._replace(pointer=pointer(place))

    def senders(self, value: object, entity: str, process: str) -> Any:  # noqa: ANN401 - any JSON
        """Return `value` without the members that a sender of `process` has no say in."""
        if isinstance(value, list):
            return [self.senders(item, entity, process) for item in value]
        if not isinstance(value, dict):
            return value
        column, kept = self.columns[process], {}
        for name, row in self.data["entities"][entity].items():
            if name in value and row["requirements"][column] not in {"P", "-"}:
                inner = row["entity"]
                kept[name] = (
                    value[name] if inner is None else self.senders(value[name], inner, process)
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
        self,
        data: Mapping[str, Any],
        rules: Rules,
        column: int,
        placed: Iterable[Placed],
        lists: Mapping[str, Appended],
    ) -> None:
        self.data, self.rules, self.column, self.lists = data, rules, column, lists
        self.unknown = {path for path, finding in placed if finding.code == "unknown_field"}
        self.altered: list[Placed] = []

    def object_of(self, raw: _Object, stored: _Object | None, entity: str, path: Path) -> _Object:
        """Return the object that is stored for `raw`; `stored` is what it was, None when new."""
        rows = self.data["entities"][entity]
        before = stored or {}
        for name in self.data["immutable"].get(entity, ()) if stored is not None else ():
            if not same(raw.get(name), before.get(name)):
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
                    inner, earlier = rows[name]["entity"], before.get(name)
                    if not path and name in self.lists and isinstance(value, list):
                        value = self._grown(value, _listed(before, name), inner, name)
                    else:
                        value = self._value(value, earlier, inner, here)
                settled[name] = value
        return settled

    def _value(self, value: object, stored: object, entity: str, path: Path) -> Any:  # noqa: ANN401
        if isinstance(value, dict):
            before = stored if isinstance(stored, dict) else None
            return self.object_of(value, before, entity, path)
        if not isinstance(value, list):
            return value
        left = stored if isinstance(stored, list) else []
        items, settled = Items(left, self.data["identity"]), []
        for index, item in enumerate(value):
            found = items.take(item)
            known = None if found is None else left[found]
            settled.append(self._value(item, known, entity, (*path, index)))
        return settled

    def _grown(self, value: list[Any], stored: list[Any], entity: str, name: str) -> list[Any]:
        """Return an append-only list: the stored items as they are, then the new ones."""
        nowhere: Path = (name, -1)  # no finding is about a stored item
        return [
            *(self._value(item, item, entity, nowhere) for item in stored),
            *(self._value(value[at], None, entity, (name, at)) for at in self.lists[name].new),
        ]


def _creating(operations: list[Any], stored: _Object, names: Iterable[str]) -> list[Any]:
    """Return operations of which one that adds an item to an absent list creates that list."""
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
            # From here on the list may be there, by another operation.
            absent = absent - {path} if path else set()
        made.append(each)
    return made


def _concerning(touched: Mapping[Path, bool], placed: Iterable[Placed]) -> list[Placed]:
    """Return those of the findings on a patched ticket that are findings on its JSON Patch."""
    whole = {place for place, deep in touched.items() if deep}
    around = {place[:size] for place in touched for size in range(len(place) + 1)}

    def concerns(path: Path, code: str) -> bool:
        """Return whether an operation reached the place of a finding."""
        if code == "required" or path in touched:
            return True
        # A relation, and what is undetermined, is a matter of the whole object.
        about = path[:-1] if code == "process_dependent" else path
        is_around = code == "process_dependent" and about in around
        return is_around or any(path[:size] in whole for size in range(len(path)))

    return [each for each in placed if concerns(each[0], each[1].code)]


def _is_kept(lists: Mapping[str, Appended], path: Path) -> bool:
    """Return whether a place is within a stored item that an append-only list still has."""
    name = path[0] if path[1:] else None
    return name in lists and path[1] in lists[str(name)].kept


def _sent_place(path: Path, lists: Mapping[str, Appended], stored: _Object) -> Path:
    """Return where in what was sent a place in the ticket is, if it is in a new item of a list."""
    if len(path) > 1 and path[0] in lists:
        name, index = str(path[0]), path[1]
        first = len(_listed(stored, name))
        if isinstance(index, int) and index >= first:
            return name, lists[name].new[index - first], *path[2:]
    return path


def _listed(ticket: _Object, name: str) -> list[Any]:
    """Return the objects in the list that a member holds."""
    value = ticket.get(name)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _joined(placed: list[Placed], more: Iterable[Placed]) -> list[Placed]:
    """Add findings at places that have no violation yet: one defect is one finding."""
    taken = {path for path, finding in placed if finding.severity == "error"}
    return [*placed, *(each for each in more if each[0] not in taken)]


def _text(value: object, name: str | None) -> str | None:
    """Return the text that a member holds, or None."""
    member = value.get(name) if isinstance(value, dict) else None
    return member if isinstance(member, str) else None


def _order(placed: Placed) -> tuple[list[tuple[bool, Any]], str]:
    return [(isinstance(part, str), part) for part in placed[0]], placed[1].code
