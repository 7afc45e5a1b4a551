"""What the server cannot serve is a problem of the profile, with its file, line and column."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from server.profile.model import NoProvider
from server.profile.reader import SHIPPED, profile_of, read_profile, shipped_profile
from tests.support.profiles import PROFILES
from ttrules.errors import SpecError

#: A file, its edits (the old text, which occurs once, and the new one), and the text at which the
#: problem is reported: § stands at its place in the edited file.
Edit = tuple[str, list[tuple[str, str]]]
DOCUMENT: Final = "openapi.yaml"
STAFF: Final = "staff.yaml"
PARCEL: Final = "    Parcel:\n      type: object\n      properties:\n"
CODE: Final = "code: {type: string, maxLength: 64, x-filled: {create: identifier}}"
LABEL: Final = "label: {type: string, maxLength: 80}"
FILTER: Final = "- {name: weight, in: query, x-filters: weight, schema: {type: string}}"
PROBLEMS: Final[dict[str, Edit]] = {
    # Operations.
    "does nothing": (
        DOCUMENT,
        [
            (
                "    get:\n      operationId: one\n      x-does: list\n",
                "    §get:\n      operationId: one\n",
            )
        ],
    ),
    "unknown": (DOCUMENT, [("x-does: list", "x-does: §lists")]),
    "no name": (
        DOCUMENT,
        [
            ("      operationId: two\n      x-does: create", "      x-does: create"),
            ("    post:\n      x-does", "    §post:\n      x-does"),
        ],
    ),
    "another method": (
        DOCUMENT,
        [
            (
                "    patch:\n      operationId: four\n      x-does: change",
                "    put:\n      operationId: four\n      x-does: §change",
            )
        ],
    ),
    "head": (
        DOCUMENT,
        [
            (
                "    get:\n      operationId: one",
                (
                    "    §head: {responses: {default: {description: x}}}\n    get:\n      "
                    "operationId: one"
                ),
            )
        ],
    ),
    "no id": (DOCUMENT, [("x-does: list", "x-does: §read")]),
    "an id": (
        DOCUMENT,
        [
            (
                "      operationId: three\n      x-does: read",
                "      operationId: three\n      x-does: §list",
            )
        ],
    ),
    "two ids": (
        DOCUMENT,
        [
            ("/parcels/{code}:", "/parcels/{a}/{code}:"),
            (
                "      operationId: three\n      x-does: read",
                "      operationId: three\n      x-does: §read",
            ),
        ],
    ),
    "odd id": (
        DOCUMENT,
        [
            ("/parcels/{code}:", "/parcels/{a-b}:"),
            (
                "      operationId: three\n      x-does: read",
                "      operationId: three\n      x-does: §read",
            ),
        ],
    ),
    "twice": (
        STAFF,
        [
            (
                "  /sent:\n    get:\n      operationId: ten\n      x-does: listEvents",
                "  /sent:\n    get:\n      operationId: ten\n      x-does: §list",
            )
        ],
    ),
    "same name": (STAFF, [("operationId: seven", "operationId: §one")]),
    "side": (
        STAFF,
        [
            (
                "  /all:\n",
                (
                    "  /all:\n    post: {operationId: z, x-does: §create, requestBody: {content: "
                    "{application/json: {}}}, responses: {default: {description: x}}}\n"
                ),
            )
        ],
    ),
    "no body": (
        DOCUMENT,
        [
            (
                (
                    "      x-does: create\n      requestBody: {$ref: "
                    '"#/components/requestBodies/Parcel"}\n'
                ),
                "      x-does: §create\n",
            )
        ],
    ),
    "media type": (
        DOCUMENT,
        [
            (
                "    Parcel:\n      required: true\n      content:\n        application/json:",
                "    Parcel:\n      required: true\n      content:\n        §application/xml:",
            )
        ],
    ),
    "anybody": (
        DOCUMENT,
        [("security:\n  - login: []\n\n", ""), ("x-does: list", "x-does: §list")],
    ),
    "nobody": (DOCUMENT, [("security:\n  - login: []", "security:\n  - §other: []")]),
    "scheme": (
        DOCUMENT,
        [
            ("login: {type: http, scheme: basic}", "login: {type: apiKey, name: k, in: header}"),
            ("security:\n  - login: []", "security:\n  - §login: []"),
        ],
    ),
    "base": (
        DOCUMENT,
        [("https://parcels.example.com/parcels/v3", "§https://parcels.example.com")],
    ),
    "variables": (DOCUMENT, [("https://parcels.example.com/parcels/v3", '§"/parcels/{version}"')]),
    "same base": (STAFF, [("  - url: /staff/v3", "  - url: §/parcels/v3")]),
    "3.1": (DOCUMENT, [("openapi: 3.0.3", "openapi: §3.1.0")]),
    "no paths": (
        DOCUMENT,
        [("openapi: 3.0.3", "§openapi: 3.0.3"), ("paths:\n  /parcels:", "path:\n  /parcels:")],
    ),
    "broken": (
        STAFF,
        [
            ("openapi.yaml#/components/schemas/Parcel", "openapi.yaml#/components/schemas/None"),
            ('{schema: {$ref: "open', '{schema: {$ref: §"open'),
        ],
    ),
    "no component": (
        STAFF,
        [
            (
                '{$ref: "openapi.yaml#/components/schemas/Parcel"}',
                '{$ref: §"openapi.yaml#/components/schemas/Parcel/properties"}',
            )
        ],
    ),
    "circle": (
        STAFF,
        [
            ("  schemas: {}", '  schemas:\n    A: {$ref: §"#/components/schemas/A"}'),
            (
                '              schema: {}\n        "202":',
                '              schema: {$ref: "#/components/schemas/A"}\n        "202":',
            ),
            (
                (
                    "x-does: listEvents\n      parameters:\n        - {name: state, in: query, "
                    "schema: {type: string}}\n        - {name: limit, in: query, schema: {type: "
                    "integer}}\n      responses: *any"
                ),
                "x-does: listEvents\n      responses: *any",
            ),
        ],
    ),
    "same component": (
        STAFF,
        [
            ("  schemas: {}", "  schemas: {}\n  responses: {Refused: {description: x}}"),
            (
                (
                    '        default: {$ref: "openapi.yaml#/components/responses/Refused"}\n\n  '
                    "/all/{code}:"
                ),
                (
                    '        default: {$ref: §"openapi.yaml#/components/responses/Refused"}\n\n  '
                    "/all/{code}:"
                ),
            ),
        ],
    ),
    "not OpenAPI": (
        DOCUMENT,
        [
            (
                "    get:\n      operationId: three",
                "    get:\n      §summary: [x]\n      operationId: three",
            ),
            ("      §summary: [x]", "      summary: §[x]"),
        ],
    ),
    # Lists.
    "no filter": (DOCUMENT, [("x-filters: weight", "x-filters: §wait")]),
    "filter of a list": (DOCUMENT, [("x-filters: weight", "x-filters: §stops")]),
    "filter of an object": (DOCUMENT, [("x-filters: weight", "x-filters: §sender")]),
    "filter of the URL": (
        DOCUMENT,
        [
            ("x-filters: weight", "x-filters: self"),
            (PARCEL, "    Parcel:\n      §type: object\n      properties:\n"),
        ],
    ),
    "name of a filter": (
        DOCUMENT,
        [
            (
                "{name: weight, in: query, x-filters: weight",
                "{name: we.ight, in: query, x-filters: §weight",
            )
        ],
    ),
    "name of another": (
        DOCUMENT,
        [
            (
                "{name: weight, in: query, x-filters: weight",
                "{name: cursor, in: query, x-filters: §weight",
            )
        ],
    ),
    "no filter at all": (
        DOCUMENT,
        [(FILTER, "- §{name: weight, in: query, schema: {type: string}}")],
    ),
    "order": (DOCUMENT, [("x-does: list\n", "x-does: list\n      x-order: §kind\n")]),
    "columns": (STAFF, [("x-columns: [stage, label]", "x-columns: [stage, §labels]")]),
    "always": (
        DOCUMENT,
        [
            (
                "{name: fields, in: query, schema: {type: string}}\n        - {name: sort",
                (
                    "{name: fields, in: query, x-always: [§cod], schema: {type: string}}\n       "
                    " - {name: sort"
                ),
            )
        ],
    ),
    "index": (
        DOCUMENT,
        [
            ("x-filters: label, x-indexed: true", "x-filters: label, x-indexed: §true"),
            (LABEL, "label: {type: string, maxLength: 9000}"),
        ],
    ),
    # Members.
    "no identifier": (
        DOCUMENT,
        [
            (CODE, "code: {type: string}"),
            (PARCEL, "    Parcel:\n      §type: object\n      properties:\n"),
        ],
    ),
    "two identifiers": (
        DOCUMENT,
        [
            (LABEL, "label: {type: string, maxLength: 80, x-filled: {create: identifier}}"),
            (PARCEL, "    Parcel:\n      §type: object\n      properties:\n"),
        ],
    ),
    "two addresses": (
        DOCUMENT,
        [
            (
                'handed: {type: string, format: date-time, x-filled: {"status: there": now}}',
                "handed: {type: string, x-filled: {create: url}}",
            ),
            (PARCEL, "    Parcel:\n      §type: object\n      properties:\n"),
        ],
    ),
    "sent identifier": (DOCUMENT, [(CODE, f"§{CODE}")]),
    "sent status": (DOCUMENT, [("        stage: {type", "        §stage: {type")]),
    "when": (
        DOCUMENT,
        [("x-filled: {create: now, change: now}", "x-filled: {create: now, §changed: now}")],
    ),
    "with": (
        DOCUMENT,
        [("x-filled: {create: now, change: now}", "x-filled: {create: §time, change: now}")],
    ),
    "not the root": (
        DOCUMENT,
        [
            (
                "at: {type: string, format: date-time, x-filled: {create: now}}",
                "at: {type: string, format: date-time, x-filled: {change: §now}}",
            )
        ],
    ),
    "no URL": (
        DOCUMENT,
        [
            (
                "at: {type: string, format: date-time, x-filled: {create: now}}",
                "at: {type: string, x-filled: {create: §url}}",
            )
        ],
    ),
    "no status": (DOCUMENT, [('"status: there"', '§"status: their"')]),
    "no default": (
        DOCUMENT,
        [("default: false, x-filled: {create: default}", "x-filled: {create: §default}")],
    ),
    "no time": (
        DOCUMENT,
        [("weight: {type: number}", "weight: {type: number, x-filled: {create: §now}}")],
    ),
    "no text": (
        DOCUMENT,
        [
            ("stage: {type: string", "stage: {x-filled: {create: §url}, type: string"),
            (
                "self: {type: string, maxLength: 300, x-filled: {create: url}}",
                "self: {type: string}",
            ),
        ],
    ),
    "number apart": (
        DOCUMENT,
        [("weight: {type: number}", "weight: {type: number, x-stored-apart: §true}")],
    ),
    "two apart": (
        DOCUMENT,
        [
            (
                (
                    "        name: {type: string}\n        signature: {type: string, "
                    "x-stored-apart: true}"
                ),
                (
                    "        name: {type: string, x-stored-apart: true}\n        signature: "
                    "{type: string, x-stored-apart: §true}"
                ),
            )
        ],
    ),
    # Events.
    "no callback": (
        "lifecycle.yaml",
        [("  ParcelMoved: {any: true}", "  §ParcelMove: {any: true}")],
    ),
    "no resource": (
        DOCUMENT,
        [
            (
                '            after: {$ref: "#/components/schemas/Parcel"}',
                "            after: {type: string}",
            ),
            ("    ParcelBooked:\n      type: object", "    ParcelBooked:\n      §type: object"),
        ],
    ),
    "no member": (DOCUMENT, [("x-filled: {event: name}", "x-filled: {event: §/coat}")]),
    "no source": (DOCUMENT, [("x-filled: {event: name}", "x-filled: {event: §names}")]),
    "command": ("lifecycle.yaml", [("    to: moving\n", "    to: §move\n")]),
    "argument": ("lifecycle.yaml", [("{place: /stops/-/place}", "{place: §/stop/-/place}")]),
    # The profile itself.
    "noun": (DOCUMENT, [("x-noun: {en: parcel}", "x-noun: §{pl: paczka}")]),
    "realm": (DOCUMENT, [("x-noun: {en: parcel}", 'x-noun: {en: parcel}\n  x-realm: §"a\\"b"')]),
    "no file": ("profile.yaml", [("    openapi: staff.yaml", "    openapi: none.yaml")]),
    "no side": ("profile.yaml", [("  operator:", "  §operators:")]),
    "key": ("profile.yaml", [("profile: 1", "profile: §2")]),
}


#: The edits that lead to more than one problem, and to how many.
MORE: Final = {
    "two ids": 2,
    "odd id": 2,
    "media type": 2,
    "anybody": 5,
    "scheme": 2,
    "two identifiers": 2,
    "no resource": 5,
    "no side": 2,
}


def copied(tmp_path: Path, source: Path = PROFILES / "parcel") -> Path:
    """Return a copy of a profile."""
    folder = tmp_path / "profile"
    shutil.copytree(source, folder)
    return folder


def edited(path: Path, edits: list[tuple[str, str]]) -> tuple[int, int]:
    """Edit a file; return the line and the column of the mark § in it, which is removed."""
    text = path.read_text("utf-8")
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    before = text.partition("§")[0] if "§" in text else ""
    path.write_text(text.replace("§", ""), "utf-8")
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def problems_of(folder: Path) -> list[tuple[str, int, int]]:
    """Return the places of the problems of a profile."""
    with pytest.raises(SpecError) as refused:
        read_profile(folder)
    return [(Path(each.file).name, each.line, each.column) for each in refused.value.problems]


@pytest.mark.parametrize("name", PROBLEMS)
def test_problems(tmp_path: Path, name: str) -> None:
    """Each problem is reported at its place, and nothing else is."""
    folder = copied(tmp_path)
    file, edits = PROBLEMS[name]
    if name.startswith("sent "):
        member = {"sent identifier": "code", "sent status": "stage"}[name]
        row = f"    {member + ':':<19}[P, "
        edited(folder / "requirements.yaml", [(row, row.replace("P", "O"))])
    place = edited(folder / file, edits)
    if name == "no file":
        file = "none.yaml"
    found = problems_of(folder)
    assert (file, *place) in found
    assert len(found) == MORE.get(name, 1)


@pytest.mark.parametrize("role", ["operator", "provider"])
def test_no_process(tmp_path: Path, role: str) -> None:
    """An operation that no process rules is a problem of the operation."""
    folder = copied(tmp_path)
    one = "[Parcel Change]" if role == "operator" else "[Parcel Add]"
    text = (folder / "requirements.yaml").read_text("utf-8")
    text = text.replace("[Parcel Add, Parcel Change]", one)
    for codes in ("[P, P]", "[P, O]", "[R, O]", "[O, O]", "[R, R]"):
        text = text.replace(codes, f"[{codes[4] if role == 'operator' else codes[1]}]")
    (folder / "requirements.yaml").write_text(text, "utf-8")
    gone = "Add: {operation: add" if role == "operator" else "Change: {operation: change"
    edited(folder / "interpretation.yaml", [(f"    Parcel {gone}, value: box}}\n", "")])
    found = problems_of(folder)
    assert {file for file, _, _ in found} == (
        {DOCUMENT} if role == "operator" else {DOCUMENT, STAFF}
    )


class TestVariants:
    """What a profile need not have."""

    def test_shipped(self) -> None:
        """Without a directory the profile is the one in spec/."""
        assert profile_of("") is shipped_profile()
        assert shipped_profile().directory == SHIPPED
        assert profile_of(str(PROFILES / "parcel")).noun == "parcel"

    def test_bare(self, tmp_path: Path) -> None:
        """Without provider, lifecycle, noun and events, everything has a default."""
        folder = copied(tmp_path)
        text = (folder / "profile.yaml").read_text("utf-8").partition("  provider:")[0]
        text = text.replace("    lifecycle: lifecycle.yaml\n", "")
        (folder / "profile.yaml").write_text(text, "utf-8")
        edited(
            folder / DOCUMENT,
            [
                ("  x-noun: {en: parcel}\n", ""),
                ('x-filled: {"status: there": now}', "nullable: true"),
                ("Parcels “fast”", "“”"),
                (", x-filled: {create: url}", ""),
                (", x-filled: {create: now, change: now}", ""),
            ],
        )
        profile = read_profile(folder)
        assert (profile.noun, profile.realm) == ("resource", "API")
        assert (profile.provider, profile.lifecycle, profile.events) == (None, None, ())
        assert profile.commands == ()
        assert (profile.resource.url, profile.resource.moment) == (None, None)
        assert profile.always == ("code",)

    def test_no_provider(self) -> None:
        """Its absence is told in one sentence."""
        assert str(NoProvider(Path("x"))).startswith("Use another profile: x ")

    def test_without_status(self, tmp_path: Path) -> None:
        """A status that never changes cannot fill anything in."""
        folder = copied(tmp_path)
        text = (folder / "profile.yaml").read_text("utf-8")
        text = text.replace("    lifecycle: lifecycle.yaml\n", "")
        (folder / "profile.yaml").write_text(text, "utf-8")
        place = edited(folder / DOCUMENT, [('{"status: there"', '{§"status: there"')])
        assert problems_of(folder) == [(DOCUMENT, *place)]


#: Edits of the shipped profile that compile, and that the server could not serve.
OF_SHIPPED: Final[dict[str, Edit]] = {
    "event without a schema": (
        "lifecycle.yaml",
        [
            (
                "  TroubleTicketResolvedEvent:\n    to: resolved",
                "  §SolvedEvent:\n    to: resolved",
            ),
            ("  TroubleTicketResolvedEvent:\n    - status", "  SolvedEvent:\n    - status"),
        ],
    ),
    "content as integer": (
        DOCUMENT,
        [
            (
                (
                    "        content:\n          x-stored-apart: true\n          type: string\n  "
                    "        format: byte\n"
                ),
                "        content:\n          x-stored-apart: §true\n          type: integer\n",
            )
        ],
    ),
    "another final status": (
        "lifecycle.yaml",
        [
            (
                "  inProgress:\n    - to: held\n    - to: pending\n    - to: resolved",
                "  inProgress:\n    - to: held\n    - to: pending\n    - to: solved",
            ),
            ("  resolved:\n    - to: closed", "  solved:\n    - to: closed"),
            ("    to: resolved\n  TroubleTicketInf", "    to: solved\n  TroubleTicketInf"),
            ("    to: resolved\n    help", "    to: solved\n    help"),
        ],
    ),
}


@pytest.mark.parametrize("name", OF_SHIPPED)
def test_shipped(tmp_path: Path, name: str) -> None:
    """The same edits of the shipped profile are reported at their places."""
    folder = copied(tmp_path, SHIPPED)
    file, edits = OF_SHIPPED[name]
    place = edited(folder / file, edits)
    if name == "another final status":
        status = ("        - resolved\n        - closed", "        - solved\n        - closed")
        file, filled = DOCUMENT, ('{"status: resolved": now}', '{§"status: resolved": now}')
        place = edited(folder / file, [status, filled])
    assert problems_of(folder) == [(file, *place)]


def test_report(tmp_path: Path) -> None:
    """All problems of a stage are reported together, in the order of files and lines."""
    folder = copied(tmp_path)
    edited(
        folder / DOCUMENT, [("x-does: list", "x-does: lists"), ("x-does: create", "x-does: made")]
    )
    edited(folder / STAFF, [("x-does: readEvent", "x-does: see")])
    found: list[Any] = problems_of(folder)
    assert [file for file, _, _ in found] == [DOCUMENT, DOCUMENT, STAFF]
    assert found == sorted(found)
