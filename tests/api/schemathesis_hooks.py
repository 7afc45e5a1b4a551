"""What schemathesis is told beside its configuration; `st` loads this file by its path."""

from __future__ import annotations

import re
from itertools import count
from typing import Any

import schemathesis

_KEY = re.compile(r"[!-~]{1,255}")
_NUMBERS = count()


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Make each valid Idempotency-Key a new one, as the document asks; others stay as they are.

    Else almost every POST would be a 422, since most cases are drawn with the same key.
    """
    headers = case.headers or {}
    if _KEY.fullmatch(str(headers.get("Idempotency-Key", ""))) is not None:
        headers["Idempotency-Key"] = f"{headers['Idempotency-Key'][:240]}.{next(_NUMBERS)}"
