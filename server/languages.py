"""The language of an answer: which one a request asks for, and the sentences in it.

Accept-Language is read when there is a sentence to tell, never before, so that an answer without
one costs nothing; such an answer names its language and says that it varies by the header. Which
languages there are is decided by ttrules.languages; each has a module here with the tables of
sentences and the sentences of errors.KINDS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from server.sentences import Told
from ttrules.languages import DEFAULT, TABLES, catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.sentences import Grant
    from ttrules.sentences import Said

    #: The headers of a request as ASGI has them, by their names in small letters.
    Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

#: The module with the sentences of each language but English, by its tag.
_MODULES: Final = {
    language: f"server.{module.rpartition('.')[2]}" for language, module in TABLES.items()
}
#: A longer header than this is not read, nor more of its ranges: no browser sends half of it.
_LONGEST: Final = 1_024
_MOST: Final = 64
#: A language range and its weight (RFC 4647, section 2.1; RFC 9110, sections 12.4.2 and 12.5.4).
_RANGE: Final = re.compile(
    r"[ \t]*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)"
    r"(?:[ \t]*;[ \t]*[Qq]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)


def language_of(headers: Headers | Mapping[str, str]) -> str:
    """Return the language that a request asks for most, of those that there are.

    `headers` are those of the request, as ASGI has them or an Asked. A range asks for the language
    that it begins with (``pl-PL`` for ``pl``: RFC 4647, section 3.4), ``*`` for every one that no
    other range names; of equal weights the first counts. English is what is told where nothing that
    there is was asked for: RFC 9110 lets a server disregard the header rather than say nothing.
    """
    if isinstance(headers, Mapping):
        text = headers.get("accept-language", "")
    else:
        given = [value for name, value in headers if name == b"accept-language"]
        text = b",".join(given).decode("latin-1")
    return _wanted(text) if 0 < len(text) <= _LONGEST else DEFAULT


def spoken(language: str) -> dict[str, str]:
    """Return what an answer says that is told in a language, as headers."""
    return {"Content-Language": language, "Vary": "Accept-Language"}


def _wanted(text: str) -> str:
    weights: dict[str, float] = {}
    for part in text.split(",", _MOST)[:_MOST]:
        if found := _RANGE.fullmatch(part):
            tag = found[1].partition("-")[0].lower()
            weight = float(found[2] or 1)
            weights[tag] = max(weights.get(tag, 0.0), weight)
    rest = weights.pop("*", 0.0)
    offered = dict.fromkeys([*(tag for tag in weights if tag in TABLES), *TABLES])
    best = max(offered, key=lambda tag: weights.get(tag, rest))
    return best if weights.get(best, rest) > 0 else DEFAULT


def kind_in(language: str, code: str, reason: str, message: str) -> tuple[str, str]:
    """Return reason and message of a kind, whose English ones are given."""
    return (reason, message) if language == DEFAULT else _sentences(language).KINDS[code]


def told_in(text: str, language: str) -> str:
    """Return a Told in a language; a text that is none is returned as it is."""
    return _again(text, "SENTENCES", language) if isinstance(text, Told) else text


def granting_in(text: Grant, language: str) -> str:
    """Return what the token endpoint says in a language."""
    return _again(text, "GRANT", language)


def _again(said: Said, table: str, language: str) -> str:
    """Return a sentence of a table, what fills it being of the same language."""
    if language == DEFAULT:
        return str(said)
    words = catalogue(language)
    filling = {
        name: told_in(value, language) if isinstance(value, Told) else words.reason(value)
        for name, value in said.params.items()
    }
    sentences: Mapping[str, str] = getattr(_sentences(language), table)
    return sentences[said.key].format_map(filling)


def _sentences(language: str) -> Any:  # noqa: ANN401 - a module, imported when it is asked for
    return import_module(_MODULES[language])
