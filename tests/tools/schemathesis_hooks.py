"""What schemathesis is told beside its configuration; `st` loads this file by its path."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import schemathesis

_KEY = re.compile(r"[!-~]{1,255}")
_TAGS = re.compile(r'\*|(W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*')
_NUMBERS = count()


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Make each valid Idempotency-Key a new one, as the document asks; others stay as they are.

    Else almost every POST would be a 422, since most cases are drawn with the same key.
    """
    _name_what_is_there(case)
    headers = case.headers or {}
    if _KEY.fullmatch(str(headers.get("Idempotency-Key", ""))) is not None:
        headers["Idempotency-Key"] = f"{headers['Idempotency-Key'][:240]}.{next(_NUMBERS)}"


def _name_what_is_there(case: Any) -> None:
    """Let valid requests begin their lists at the first page, and name an operator that is there.

    A cursor is opaque, and which operators there are is no fact of the document: anything else is a
    400, which other tests try.
    """
    query = case.query or {}
    if case.meta is not None and case.meta.generation.mode.is_positive:
        query.pop("cursor", None)
        if "operator" in query:
            query["operator"] = ["operator-a"]
        # The generator's valid value of another parameter stands beside one that is no tag.
        if case.headers and _TAGS.fullmatch(str(case.headers.get("If-None-Match", "*"))) is None:
            del case.headers["If-None-Match"]
