"""The language of a response: which one a request asks for, and the messages in it.

Accept-Language is read only when a response contains a message. Such a response names its language
and says that it varies by the header. ttrules.messages.catalogue lists the languages; each of them
has a module in this package with the tables of en.py and the messages of problems.KINDS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ttrules.messages.catalogue import DEFAULT, TABLES, catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ttrules.message import Message

    #: The headers of a request in the form of ASGI, with lower-case names.
    Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

#: The module with the messages of each language, by its tag.
_MODULES: Final = {
    language: f"{__package__}.{module.rpartition('.')[2]}" for language, module in TABLES.items()
}
#: The longest header that is read, and how many of its ranges. Browsers send less than half.
_LONGEST: Final = 1_024
_MOST: Final = 64
#: A language range and its weight (RFC 4647, section 2.1; RFC 9110, sections 12.4.2 and 12.5.4).
_RANGE: Final = re.compile(
    r"[ \t]*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*|\*)"
    r"(?:[ \t]*;[ \t]*[Qq]=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)


def language_of(headers: Headers | Mapping[str, str]) -> str:
    """Return the available language that a request prefers.

    `headers` are those of the request, in the form of ASGI or of a Request. A range matches the
    language that it begins with (``pl-PL`` matches ``pl``: RFC 4647, section 3.4). ``*`` matches
    every language that no other range names. Of equal weights the first counts. If no available
    language matches, the language is English: RFC 9110 lets a server disregard the header.
    """
    if isinstance(headers, Mapping):
        text = headers.get("accept-language", "")
    else:
        given = [value for name, value in headers if name == b"accept-language"]
        text = b",".join(given).decode("latin-1")
    return _wanted(text) if 0 < len(text) <= _LONGEST else DEFAULT


def spoken(language: str) -> dict[str, str]:
    """Return the headers of a response whose messages are in a language."""
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
    """Return the reason and message of a kind in a language; the English ones are given."""
    return (reason, message) if language == DEFAULT else _sentences(language).KINDS[code]


def render(message: Message, language: str) -> str:
    """Return a message of the server or of the library in a language."""
    if language == DEFAULT:
        return str(message)
    words = catalogue(language)

    def template_of(table: str, key: str) -> str:
        if table == "REASONS":
            return words.reasons[key]
        found: str = getattr(_sentences(language), table)[key]
        return found

    return message.render(template_of)


def _sentences(language: str) -> Any:
    return import_module(_MODULES[language])
