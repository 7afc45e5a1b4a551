"""The languages that findings and reports are told in, and how a finding becomes a sentence.

A Catalogue is all the texts of one language by their keys. English is in codes and sentences; each
other language is a module with the same tables and a row of TABLES, imported when it is asked for.
Codes, pointers and params are the same in every language, as are the names of members, processes
and keywords; nothing here decides anything, or looks at a payload.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ttrules.errors import NoSuchLanguage
from ttrules.sentences import Said

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from ttrules.findings import Finding

#: The module with the tables of each language, by its tag (RFC 5646). English comes first.
TABLES: Final[dict[str, str]] = {"en": "ttrules.sentences", "pl": "ttrules.polish"}

#: The findings whose params come to words of the language.
_FILLED: Final = frozenset({"type", "format", "range", "length", "process_dependent", "transition"})

#: The language that is used where none is asked for.
DEFAULT: Final = "en"


#: The tables of a language, by the names that they have in a Catalogue; in a module in capitals.
NAMES: Final = (
    *("messages", "requirements", "relations", "kinds", "formats", "words"),
    *("reasons", "counts", "severities", "texts", "oddities"),
)


class Catalogue:
    """All the texts of one language, by key: the tables of `module`, which are those of sentences.

    A plain class, since a named tuple takes longer to make than the rest of this module.
    """

    __slots__ = ("language", "plural", *NAMES)

    language: str
    messages: Mapping[str, str]
    requirements: Mapping[str, str]
    relations: Mapping[str, str]
    kinds: Mapping[str, str]
    formats: Mapping[str, str]
    words: Mapping[str, str]
    reasons: Mapping[str, str]
    counts: Mapping[str, tuple[str, ...]]
    severities: Mapping[str, str]
    texts: Mapping[str, str]
    oddities: Mapping[str, str]
    plural: Callable[[int], int]

    def __init__(self, language: str, module: ModuleType) -> None:
        self.language = language
        self.plural = module.plural
        for name in NAMES:
            setattr(self, name, getattr(module, name.upper()))

    def message(self, finding: Finding) -> str:
        """Return a finding as a sentence. Raises KeyError for a code that there is not."""
        said, params, code = self.words, finding.params, finding.code
        words: dict[str, Any] = {
            "entity": finding.entity or said["payload"],
            "field": finding.field or said["payload"],
            "process": said["process"].replace("{name}", finding.process)
            if finding.process
            else said["every_process"],
        }
        for key, value in params.items():
            words[key] = _listed(value) if isinstance(value, list) else value
        template = self.messages[code]
        if code in _FILLED:
            words.update(self._filling(finding, words["field"]))
            if code == "transition" and not params["allowed"]:
                accepts = params.get("accepts")
                name = "final" if accepts is None else "accepts" if accepts else "accepts_nothing"
                template = said[name]
        if "list" in params:
            template = said["stored_item"]
        text = template.format_map(words)
        if suggestion := params.get("suggestion"):
            text += said["suggestion"].format(name=suggestion)
        return text

    def _filling(self, finding: Finding, field: str) -> dict[str, str]:
        """Return what fills a sentence beside names: what the params of the code come to."""
        params = finding.params
        match finding.code:
            case "type":
                kinds = (self.kinds[kind] for kind in params["expected"])
                return {"expected": self.words["or"].join(kinds)}
            case "format":
                return {"expected": self.formats.get(params["format"], params["expected"])}
            case "process_dependent":
                return {"condition": self._condition(field, params)}
            case "transition":
                return {"from": params["from"] or self.words["unknown_status"]}
        return {"limits": ", ".join(f"{name} {value}" for name, value in params.items())}

    def _condition(self, field: str, params: Mapping[str, Any]) -> str:
        relation = params.get("relation")
        if relation is None:
            return self.words["undeclared"].format(field=field)
        fields = params["fields"]
        rule = self.relations[relation].format(
            fields=_listed(fields), first=fields[0], rest=_listed(fields[1:])
        )
        if when := params.get("when"):
            subject, owner = when["field"], when["of"]
            if owner != "self":
                subject = self.words[f"member_of_{owner}"].format(name=subject)
            rule = self.words["when"].format(subject=subject, test=self._test(when), rule=rule)
        return rule

    def _test(self, when: Mapping[str, Any]) -> str:
        if "exists" in when:
            return self.words["sent" if when["exists"] else "not_sent"]
        if "equals" in when:
            return self.words["equals"].format(value=when["equals"])
        return self.words["in"].format(values=_listed(when["in"]))

    def reason(self, text: str) -> str:
        """Return a text in this language where it is a Said, else as it is; so what fills it."""
        if not isinstance(text, Said):
            return text
        filling = {name: self.reason(value) for name, value in text.params.items()}
        return self.reasons[text.key].format_map(filling)

    def counted(self, name: str, count: int) -> str:
        """Return so many of what is called `name`."""
        return self.counts[name][self.plural(count)].format(count=count)

    def text(self, name: str, **words: object) -> str:
        """Return a text of TEXTS, filled."""
        return self.texts[name].format_map(words)


@cache
def catalogue(language: str = DEFAULT) -> Catalogue:
    """Return the texts of a language. Raises NoSuchLanguage."""
    if language not in TABLES:
        raise NoSuchLanguage(language, tuple(TABLES))
    return Catalogue(language, import_module(TABLES[language]))


def _listed(values: list[Any]) -> str:
    return ", ".join(map(str, values))
