"""The reference engine: jsonschema, told to read regular expressions as ECMA-262 does.

It is slow and independent of the fast engine, and says the same; that is its whole use. Payloads
come here plain (see plain), since jsonschema knows neither tuples nor Decimals as JSON.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ttrules.plain import Path


@cache
def _ecma(pattern: str) -> re.Pattern[str]:
    r"""Compile an ECMA-262 pattern: there $ is the very end, in Python also before a last newline.

    ECMA-262's \d and \w are ASCII only, Python's are not (RFC 9485, section 5, on the dialects).
    """
    ends = re.sub(r"(\\.)|(\[(?:\\.|[^\]\\])*\])|\$", _dollar, pattern)
    return re.compile(ends, re.ASCII)


def _dollar(match: re.Match[str]) -> str:
    return match[1] or match[2] or r"\Z"


def _pattern(
    _validator: object, pattern: str, instance: object, _schema: object
) -> Iterator[ValidationError]:
    if isinstance(instance, str) and _ecma(pattern).search(instance) is None:
        yield ValidationError("the pattern does not match")


def _required(
    _validator: object, names: list[str], instance: object, _schema: object
) -> Iterator[ValidationError]:
    """As jsonschema's own, with the missing name as a value: there it stands in a message only."""
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                yield ValidationError("a member is missing", validator_value=name)


_Validator: Any = extend(  # type: ignore[no-untyped-call]  # its stubs lack the types
    Draft202012Validator, {"pattern": _pattern, "required": _required}
)


def reference_validator(schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - jsonschema's own
    """Return a jsonschema validator for `schema`."""
    return _Validator(schema)


def raw_errors(validator: Any, payload: object) -> Iterator[tuple[Path, Path, str | None]]:  # noqa: ANN401
    """Yield per error its path in the payload, in the schema, and the member that is missing."""
    for error in validator.iter_errors(payload):
        missing = error.validator_value if error.validator == "required" else None
        yield tuple(error.absolute_path), tuple(error.absolute_schema_path), missing
