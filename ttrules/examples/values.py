"""Realistic values for a field, which fit the field's schema.

The name of a field decides what its value looks like (LOOKS); its schema decides what is valid.
Candidates are drawn and validated against the schema until one fits; a pattern gives candidates of
its own. Randomness comes only from the argument; there is no clock.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import jsonschema_rs
import rstr

from ttrules.codes import PARTS
from ttrules.json_values import exact, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ttrules.json_values import JSONValue

#: The texts of fields: a pattern for entity and field, in lower case, and the texts of matching
#: fields. The first match is used. {number} is drawn, {entity} is the name of the entity.
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

#: The annotation of a member that the server fills in: when, and with what.
FILLED: Final = "x-filled"
#: The keywords of a shape that a realistic value meets.
_MET: Final = frozenset(
    {"type", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "format"}
)
#: The maximum number of candidates for one value.
_DRAWS: Final = 60
#: A bound that is farther from zero leaves a number free on that side.
_FAR: Final = 10**9
_FIRST_DAY: Final = datetime(2026, 3, 2, 8, tzinfo=UTC)
_CONTENT: Final = "Line test {number}: attenuation 31 dB, margin 9 dB, no fault on the line.\n"


class Likeness:
    """Generates values; all randomness comes from `draw`."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        self._formats: dict[object, Callable[[], str]] = {
            "date-time": lambda: self._moment().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "date": lambda: self._moment().strftime("%Y-%m-%d"),
            "time": lambda: self._moment().strftime("%H:%M:%SZ"),
            "duration": lambda: f"PT{self._draw.randint(1, 48)}H",
            "uuid": lambda: str(UUID(int=self._draw.getrandbits(128), version=4)),
            "email": lambda: f"desk{self._draw.randint(10, 99)}@example.com",
            "hostname": lambda: f"host{self._draw.randint(10, 99)}.example.com",
            "ipv4": lambda: f"192.0.2.{self._draw.randint(1, 254)}",
            "ipv6": lambda: f"2001:db8::{self._draw.randint(1, 0xFFFF):x}",
            "uri": lambda: f"https://example.com/{self._draw.randint(10_000, 99_999)}",
            "uri-reference": lambda: f"/example/{self._draw.randint(10_000, 99_999)}",
        }

    def value(self, entity: str, field: str, schema: Mapping[str, Any]) -> JSONValue:
        """Return a value of a field that is valid for `schema`, or None."""
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
    ) -> JSONValue:
        if "enum" in schema:
            return self._draw.choice(schema["enum"])
        if "anyOf" in schema:
            return self._candidate(entity, field, self._draw.choice(schema["anyOf"]), attempt)
        match self._kind(schema.get("type", "string")):
            case "array" if "items" in schema:
                return [self._candidate(entity, field, schema["items"], attempt)]
            case "boolean":
                return self._draw.random() < 0.5  # noqa: PLR2004 - as often as not
            case "integer":
                return self._number(schema, 1)
            case "number":
                return self._number(schema, 0.5)
        if schema.get("contentEncoding") == "base64":
            return self._base64(schema)
        if schema.get("format") in self._formats and attempt % 2 == 0:
            return self._formats[schema["format"]]()
        if attempt % 2 and "pattern" in schema:
            patterns = [schema["pattern"], *(each["pattern"] for each in schema.get("allOf", ()))]
            made = rstr.Rstr(self._draw).xeger(self._draw.choice(patterns))
            return made if made.isprintable() else None
        return self._sized(self._look(entity, field), schema)

    def _kind(self, kinds: str | list[str]) -> str:
        """Return the type of a candidate: the only one, or one of several scalars."""
        if isinstance(kinds, str):
            return kinds
        plain = [each for each in kinds if each not in {"null", "object", "array"}]
        return self._draw.choice(plain) if plain[1:] else kinds[0]

    def _look(self, entity: str, field: str) -> str:
        about = f"{entity}.{field}".casefold()
        texts = next(texts for pattern, texts in LOOKS if re.search(pattern, about))
        number = self._draw.randint(10_000, 99_999)
        return self._draw.choice(texts).format(entity=entity, number=number)

    def _sized(self, text: str, schema: Mapping[str, Any]) -> str:
        """Return a text extended or cut to the allowed length."""
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
        """Return a multiple of the step that is likely to be in range."""
        lows = [exact(schema[key]) for key in ("minimum", "exclusiveMinimum") if key in schema]
        highs = [exact(schema[key]) for key in ("maximum", "exclusiveMaximum") if key in schema]
        # A bound such as that of int64 is too far to begin there.
        lows = [each for each in lows if each > -_FAR]
        highs = [each for each in highs if each < _FAR]
        step = Fraction(exact(schema.get("multipleOf", finest)))
        low = max(lows) if lows else min([1, *(high - 100 * step for high in highs)])
        high = min(highs) if highs else low + 100 * step
        if 0 < high - low < 4 * step and "multipleOf" not in schema and finest < 1:
            step = Fraction(high - low) / 8
        first, last = math.ceil(low / step), math.floor(high / step)
        number = self._draw.randint(first, max(first, last)) * step
        return rounded(number) if finest == 1 or abs(number) > _FAR else float(rounded(number))


def realistic(entity: str, field: str, shape: Mapping[str, Any]) -> JSONValue:
    """Return a realistic value of a field with a shape, or None if none is found."""
    draw = Likeness(Random(f"{entity} {field}"))  # noqa: S311 - it hides no secret
    try:
        return draw.value(entity, field, _plain(shape))
    except ValueError:  # a keyword has a value that no engine knows
        return None


def _plain(shape: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the shape of a value, or an item, that a realistic value meets."""
    while PARTS & shape.keys():
        shape = shape[next(iter(PARTS & shape.keys()))]
    return {key: value for key, value in shape.items() if key in _MET}
