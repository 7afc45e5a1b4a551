"""Values that look like those of a ticket, and fit any schema of a plain value.

What a value looks like is told by the name of its field (LOOKS), what it must be by its compiled
schema. Candidates are drawn and held against the schema until one fits; one that a pattern asks for
is made from the pattern. There is no clock here, and no chance but the one that is handed in.
"""

from __future__ import annotations

import math
import re
import string
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import jsonschema_rs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from random import Random

#: What the text of a field looks like: a pattern on entity and field, in small letters, and what
#: such fields hold. The first row that matches is taken. {number} is drawn, {entity} its own.
LOOKS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    (r"\.@(?:base)?type$", ("{entity}",)),
    (r"party\.@referredtype$", ("Organization",)),
    (r"attachment.*\.@referredtype$", ("Attachment",)),
    (r"\.@referredtype$", ("Service", "Product", "Resource")),
    (r"party\.role$", ("Operator", "Wholesaler", "Customer")),
    (r"party\.name$", ("Example Telecom", "Sample Networks", "Specimen Broadband")),
    (r"party\.id$", ("ORG-{number}",)),
    (r"attachment.*\.name$", ("line-test.txt", "speed-test.txt", "modem-log.txt")),
    (r"mimetype$", ("text/plain",)),
    (r"note\.text$", ("The customer confirms that the fault persists.", "A visit is agreed.")),
    (r"author$", ("Service desk", "Field engineer", "Shift lead")),
    (r"ticket\.name$", ("No internet access", "Slow download", "Television freezes")),
    (
        r"ticket\.description$",
        (
            "Since this morning the connection drops every few minutes.",
            "The modem shows no signal although it was restarted twice.",
            "The download rate is far below the ordered one.",
        ),
    ),
    (r"(?:description|comment|text|reason|result|message)$", ("To be checked on site.",)),
    (r"serial", ("SN{number}",)),
    (r"mail", ("desk{number}@example.com",)),
    (r"phone|msisdn", ("+15550{number}",)),
    (r"url$|uri$|schemalocation$", ("https://example.com/{entity}/{number}",)),
    (r"href$", ("/{entity}/{number}",)),
    (r"external", ("EXT-{number}",)),
    (r"(?:id|code|number)$", ("ID-{number}",)),
    (r"role$", ("Affected", "Related")),
    (r"name$", ("Sample {number}",)),
    (r"unit", ("MB", "kB")),
    (r"", ("Example {number}",)),
)

#: How many candidates are drawn for one value before there is said to be none.
_DRAWS: Final = 60
_FIRST_DAY: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
_CONTENT: Final = "Line test {number}: attenuation 31 dB, margin 9 dB, no fault on the line.\n"
#: What is drawn from where a pattern allows much: what is quiet to read first, then anything.
_QUIET: Final = string.ascii_letters + string.digits
_LOUD: Final = _QUIET + string.punctuation + " éßłжλ中"
_CLASSES: Final = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_WORD": _QUIET + "_",
    "CATEGORY_SPACE": " ",
}


class Likeness:
    """A source of values, which draws all its chances from `draw`."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        self._formats: dict[object, Callable[[], str]] = {
            "date-time": lambda: self._moment().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "date": lambda: self._moment().strftime("%Y-%m-%d"),
            "uuid": lambda: str(UUID(int=self._draw.getrandbits(128), version=4)),
        }

    def value(self, entity: str, field: str, schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
        """Return a value of a field that meets `schema`, or None where none was found."""
        fits = jsonschema_rs.Draft202012Validator(
            dict(schema), pattern_options=jsonschema_rs.RegexOptions()
        ).is_valid
        for attempt in range(_DRAWS):
            made = self._candidate(entity, field, schema, attempt)
            if made is not None and fits(made):
                return made
        return None

    def _candidate(  # noqa: PLR0911 - a return a kind
        self, entity: str, field: str, schema: Mapping[str, Any], attempt: int
    ) -> Any:  # noqa: ANN401 - any JSON value
        if "enum" in schema:
            return self._draw.choice(schema["enum"])
        kinds = schema.get("type", "string")
        match kinds if isinstance(kinds, str) else kinds[0]:
            case "boolean":
                return self._draw.random() < 0.5  # noqa: PLR2004 - as often as not
            case "integer":
                return round(self._number(schema, 1))
            case "number":
                return self._number(schema, 0.5)
        if schema.get("contentEncoding") == "base64":
            return self._base64(schema)
        if "format" in schema and attempt % 2 == 0:
            return self._formats[schema["format"]]()
        if attempt % 2 and "pattern" in schema:
            patterns = [schema["pattern"], *(each["pattern"] for each in schema.get("allOf", ()))]
            return _Matching(self._draw, attempt).text(self._draw.choice(patterns))
        return self._sized(self._look(entity, field), schema)

    def _look(self, entity: str, field: str) -> str:
        about = f"{entity}.{field}".casefold()
        texts = next(texts for pattern, texts in LOOKS if re.search(pattern, about))
        number = self._draw.randint(10_000, 99_999)
        return self._draw.choice(texts).format(entity=entity, number=number)

    def _sized(self, text: str, schema: Mapping[str, Any]) -> str:
        """Return a text made as long, or as short, as it must be."""
        fewest = schema.get("minLength", 0)
        while len(text) < fewest:
            text += f" {text}"
        return text[: max(schema.get("maxLength", len(text)), 0)]

    def _base64(self, schema: Mapping[str, Any]) -> str:
        text = _CONTENT.format(number=self._draw.randint(10_000, 99_999)).encode()
        fewest, most = schema.get("minLength", 0), schema.get("maxLength", math.inf)
        while len(made := b64encode(text)) < fewest:
            text += text
        size = min(len(made), most) // 4 * 3
        return b64encode(text[: int(size)]).decode()

    def _moment(self) -> datetime:
        return _FIRST_DAY + timedelta(minutes=self._draw.randrange(90 * 24 * 60))

    def _number(self, schema: Mapping[str, Any], finest: float) -> float:
        """Return a number that is likely to be in range, a multiple of its step."""
        lows = [schema[key] for key in ("minimum", "exclusiveMinimum") if key in schema]
        highs = [schema[key] for key in ("maximum", "exclusiveMaximum") if key in schema]
        step = schema.get("multipleOf", finest)
        low = max(lows) if lows else min([1, *(high - 100 * step for high in highs)])
        high = min(highs) if highs else low + 100 * step
        if 0 < high - low < 4 * step and "multipleOf" not in schema and finest < 1:
            step = (high - low) / 8
        first, last = math.ceil(low / step), math.floor(high / step)
        return round(float(self._draw.randint(first, max(first, last)) * step), 12)


class _Matching:
    """Texts that match a pattern: the part of Python's syntax that every engine runs."""

    def __init__(self, draw: Random, longest: int) -> None:
        self._draw = draw
        self._longest = longest

    def text(self, pattern: str) -> str:
        """Return a text that should match `pattern`; anchors are taken to be met."""
        return self._all(re._parser.parse(pattern))  # noqa: SLF001 - as the class says

    def _all(self, parts: Iterable[tuple[Any, Any]]) -> str:
        return "".join(self._one(str(kind), what) for kind, what in parts)

    def _one(self, kind: str, what: Any) -> str:  # noqa: ANN401, PLR0911 - as the parser gives it
        match kind:
            case "LITERAL":
                return chr(what)
            case "NOT_LITERAL":
                return self._draw.choice([each for each in _QUIET if each != chr(what)])
            case "ANY":
                return self._draw.choice(_QUIET)
            case "IN":
                return self._draw.choice(_members(what))
            case "BRANCH":
                return self._all(self._draw.choice(what[1]))
            case "SUBPATTERN":
                return self._all(what[3])
            case "MAX_REPEAT" | "MIN_REPEAT":
                fewest, most, parts = what
                most = min(most, fewest + self._draw.randint(0, self._longest))
                return "".join(self._all(parts) for _ in range(self._draw.randint(fewest, most)))
            case _:
                return ""  # an anchor


def _members(items: Iterable[tuple[Any, Any]]) -> str:
    """Return characters of a class such as [a-z_], the quiet ones if there are any."""
    found, negated = "", False
    for kind, what in items:
        match str(kind):
            case "NEGATE":
                negated = True
            case "LITERAL":
                found += chr(what)
            case "RANGE":
                first, last = what
                found += "".join(map(chr, range(first, min(last, first + 255) + 1)))
            case _:
                name = str(what)
                own = _CLASSES[name.replace("_NOT", "")]
                found += "".join(c for c in _LOUD if c not in own) if "_NOT" in name else own
    if negated:
        found = "".join(each for each in _LOUD if each not in found)
    return "".join(each for each in found if each in _QUIET) or found or "?"
