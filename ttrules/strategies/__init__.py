"""Hypothesis strategies: valid payloads, broken ones with their finding, and changes of tickets.

    from hypothesis import given
    from ttrules import strategies

    @given(strategies.payloads("complaint-add"))
    def test_my_client_sends_it(payload): ...

Everything is drawn from the compiled schemas, so your own spec works in the same way (`book=`). The
public names are in `__all__`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import reject
from hypothesis import strategies as st

from ttrules.codes import ANNOTATION
from ttrules.keywords import expanded
from ttrules.patch import merged
from ttrules.pointers import path_of
from ttrules.rulebook import shipped
from ttrules.strategies.defects import DEFECTS, cells, walk
from ttrules.strategies.values import payload_of, tests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ttrules.findings import Finding
    from ttrules.pointers import Path
    from ttrules.rulebook import Rulebook
    from ttrules.strategies.defects import Defect, Target
    from ttrules.strategies.values import Draw

__all__ = ["broken", "changes", "payloads"]


def payloads(
    process: str, *, book: Rulebook | None = None, unsupported: bool = False
) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for valid payloads of a process, given by name or slug.

    Optional members are sent or omitted, texts are Unicode, values reach their bounds, and null is
    sent where it removes a member. With `unsupported`, members marked ``-`` are sent as well.
    Raises NoSuchProcess.
    """
    book = book or shipped()
    return _valid(book, book.process(process), unsupported=unsupported)


def _valid(
    book: Rulebook, name: str, forced: Path = (), *, unsupported: bool = False
) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for valid payloads that have the members on the path `forced`."""
    schema = book.schemas[book.slug(name)]
    whole = expanded(schema)
    drawn = payload_of(whole, forced, unsupported=unsupported)
    if tests(whole) or whole is not schema:
        return drawn.filter(lambda payload: book.is_valid(payload, name, unsupported="ignore"))
    return drawn


def broken(
    process: str, *, cell: tuple[str, str] | None = None, book: Rulebook | None = None
) -> st.SearchStrategy[tuple[dict[str, Any], Finding]]:
    """Return a strategy for payloads with one defect, each with the finding that it causes.

    `cell` is an entity and a field; without one, any cell that a payload of the process can reach
    and that can be broken. The finding is an error, except for a cell ``-``, whose presence is the
    warning ``not_supported`` under the policy "warn". Raises NoSuchProcess, and ValueError if the
    cell cannot be broken: nothing is evaluated below a prohibited or unsupported parent, and a cell
    that a condition tests is not broken, because more findings would change.
    """
    book = book or shipped()
    name = book.process(process)
    schema = book.schemas[book.slug(name)]
    choices = [
        (target, defect)
        for target in cells(schema)
        if cell in {None, (target.owner[ANNOTATION]["entity"], target.name)}
        for defect in DEFECTS
        if defect.applies(target)
    ]
    if not choices:
        message = f"no payload of {name} breaks {'.'.join(cell or ('a cell',))} alone"
        raise ValueError(message)
    return _broken(book, name, choices)


def _broken(
    book: Rulebook, name: str, choices: list[tuple[Target, Defect]]
) -> st.SearchStrategy[tuple[dict[str, Any], Finding]]:
    @st.composite  # without arguments, as in drawing
    def payload_and_finding(draw: Draw) -> tuple[dict[str, Any], Finding]:
        target, defect = choices[draw(st.integers(0, len(choices) - 1))]
        forced = (*target.path, target.name) if defect.needs == "field" else target.path
        payload = draw(_valid(book, name, forced))
        owner, at = walk(
            lambda keys: draw(st.sampled_from(keys)),
            payload,
            expanded(book.schemas[book.slug(name)]),
            target.path,
        )
        return payload, defect.inflict(draw, owner, at, target, book.rules(name))

    return payload_and_finding()


@st.composite
def changes(
    draw: Draw, current: Mapping[str, Any], *, book: Rulebook | None = None, by: str | None = None
) -> dict[str, Any] | list[dict[str, Any]]:
    """Return a strategy for patches that the stored ticket `current` accepts.

    A patch is a JSON merge patch or a JSON Patch. `by` names the party that makes the change.
    Raises ProcessNotSelected if `current` has no Change process.
    """
    book = book or shipped()
    ticket = dict(current)
    process = book.changing(ticket)
    patch = draw(payloads(process, book=book))
    root, data = book.matrix.root_of(process), book.matrix
    for name in data.immutable.get(root, ()):
        if name in patch and name in ticket:
            patch[name] = ticket[name]
    if (cycle := book.lifecycle) is not None and cycle.field in patch:
        status = ticket.get(cycle.field, cycle.initial)
        patch[cycle.field] = draw(st.sampled_from([status, *cycle.followers(status, by)]))
    as_list, required = draw(st.booleans()), book.schemas[book.slug(process)].get("required", ())
    while True:
        found = _operations(draw, ticket, patch) if as_list else patch
        violations = book.validate_change(ticket, found, by=by).report.violations
        if not violations:
            return found
        # The Add process or the rest of the ticket does not allow it: change less.
        spare = patch.keys() - required
        against = {name for each in violations for name in path_of(each.pointer)[:1]} & spare
        if not spare:
            reject()
        patch = {name: patch[name] for name in patch if name not in (against or spare)}


def _operations(
    draw: Draw, ticket: Mapping[str, Any], patch: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Convert a merge patch to a JSON Patch; lists may be appended to, not replaced."""
    operations: list[dict[str, Any]] = []
    for name, value in patch.items():
        path = "/" + name.replace("~", "~0").replace("/", "~1")
        if value is None:
            if name in ticket:
                operations.append({"op": "remove", "path": path})
        elif isinstance(value, list) and isinstance(ticket.get(name), list) and draw(st.booleans()):
            operations += [{"op": "add", "path": f"{path}/-", "value": item} for item in value]
        else:
            # A nested null removes a member in a merge patch; here it would be stored.
            operations.append({"op": "add", "path": path, "value": merged(None, value)})
    return operations
