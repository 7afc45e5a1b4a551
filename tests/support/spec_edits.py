"""Changes that a wholesaler makes to the files in spec/, each as a function on a copy of them.

Each one follows docs/howto/edit-the-matrix.md and leaves the files valid.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ROW: Final = re.compile(r"^(    (?P<field>\S+): +)\[(?P<codes>.*)\]$", re.MULTILINE)


def change_code(spec: Path) -> None:
    """Make the related party of a new Complaint optional: one code."""
    _set_codes(spec / "requirements.yaml", "relatedParty", {2: "O"})


def add_field(spec: Path) -> None:
    """Add an optional text to the ticket: a property, and a row in both matrices."""
    _replace(
        spec / "openapi.yaml",
        "        ticketType:\n",
        "        contactPhone:\n"
        "          type: string\n"
        "          maxLength: 64\n"
        "          description: A telephone number for questions about the ticket.\n"
        "        ticketType:\n",
    )
    for name in ("requirements", "backoffice-requirements"):
        path = spec / f"{name}.yaml"
        codes = ", ".join("O" for _ in _codes_of(path, "ticketType"))
        _replace(path, "    ticketType:", f"    contactPhone: [{codes}]\n    ticketType:")


def add_status(spec: Path) -> None:
    """Add the status `escalated`, which follows inProgress and leads back or to held."""
    _replace(spec / "openapi.yaml", "        - held\n", "        - escalated\n        - held\n")
    _replace(
        spec / "lifecycle.yaml",
        "    - to: held\n",
        "    - to: escalated\n    - to: held\n",
    )
    _replace(
        spec / "lifecycle.yaml",
        "  held:\n",
        "  escalated:\n    - to: inProgress\n    - to: held\n  held:\n",
    )


def add_type(spec: Path) -> None:
    """Add the ticket type Maintenance with its processes, which are like those of a Complaint."""
    enum = "enum: [Customer_Trouble_Ticket, Complaint"
    _replace(spec / "openapi.yaml", enum, f"{enum}, Maintenance")
    for side, names in (("", ("Add", "Change")), ("backoffice-", ("Change",))):
        before = "Provider " if side else ""
        matrix = spec / f"{side}requirements.yaml"
        last = f"  - {before}Complaint Change\n"
        _replace(matrix, last, last + "".join(f"  - {before}Maintenance {n}\n" for n in names))
        doubled = partial(_doubled, len(names))
        matrix.write_text(_ROW.sub(doubled, matrix.read_text("utf-8")), encoding="utf-8")
        last = f"    {before}Complaint Change: {{operation: change, value: Complaint}}\n"
        added = [
            f"    {before}Maintenance {name}: {{operation: {name.lower()}, value: Maintenance}}\n"
            for name in names
        ]
        _replace(spec / f"{side}interpretation.yaml", last, last + "".join(added))


#: All changes by name.
EDITS: Final[dict[str, Callable[[Path], None]]] = {
    "code": change_code,
    "field": add_field,
    "status": add_status,
    "type": add_type,
}


def _doubled(count: int, row: re.Match[str]) -> str:
    """Return a row whose last columns are repeated."""
    codes = row["codes"].split(",")
    return f"{row[1]}[{','.join([*codes, *(f' {each.strip()}' for each in codes[-count:])])}]"


def _codes_of(path: Path, field: str) -> list[str]:
    """Return the codes of the first row of a field."""
    row = next(row for row in _ROW.finditer(path.read_text("utf-8")) if row["field"] == field)
    return [each.strip() for each in row["codes"].split(",")]


def _set_codes(path: Path, field: str, codes: dict[int, str]) -> None:
    """Set codes of the first row of a field, by the number of their column."""
    all_codes = _codes_of(path, field)
    text = path.read_text("utf-8")
    row = next(row for row in _ROW.finditer(text) if row["field"] == field)
    changed = [codes.get(number, code) for number, code in enumerate(all_codes)]
    new = f"{row[1]}[{', '.join(changed)}]"
    path.write_text(text[: row.start()] + new + text[row.end() :], encoding="utf-8")


def _replace(path: Path, old: str, new: str) -> None:
    """Replace the first occurrence of a text in a file."""
    text = path.read_text("utf-8")
    assert old in text, (path.name, old)
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
