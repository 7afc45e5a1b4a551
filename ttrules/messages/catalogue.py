"""The languages of messages, and how a finding becomes a message.

A Catalogue has all texts of one language by their keys. English is in `en`, with the tables of
`codes` and `message`; another language is a module with the same tables and a row of TABLES. Codes,
pointers, params and names are the same in every language. Nothing here looks at a payload.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ttrules.codes import noun_of
from ttrules.errors import NoSuchLanguage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from ttrules.message import Message

#: The module with the tables of each language, by its tag (RFC 5646). English comes first.
TABLES: Final[dict[str, str]] = {"en": "ttrules.messages.en", "pl": "ttrules.messages.pl"}

#: The findings whose params are rendered with words of the language.
_FILLED: Final = frozenset({"type", "format", "range", "length", "process_dependent", "transition"})

#: The tests of a condition that compare values.
_TESTS: Final = ("equals", "not_equals", "in", "not_in", "contains", "not_contains")
_LITERALS: Final = {True: "true", False: "false", None: "null"}

#: The language if none is requested.
DEFAULT: Final = "en"


#: The tables of a language, as named in a Catalogue; in a module the names are in capitals.
NAMES: Final = (
    *("messages", "requirements", "relations", "kinds", "formats", "words"),
    *("reasons", "counts", "severities", "texts", "oddities"),
)


class Catalogue:
    """All texts of one language, by key: the tables of `module`.

    A plain class, because creating a named tuple takes longer than the rest of this module.
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

    def noun(self, entity: str) -> str:
        """Return what a sentence calls a payload whose entity this is."""
        noun = noun_of(entity)
        return self.words.get(f"noun_{noun}") or self.words["noun"].format(noun=noun)

    def finding(
        self,
        code: str,
        params: Mapping[str, Any],
        *,
        entity: str | None,
        field: str | None,
        process: str | None,
    ) -> str:
        """Return the message of a finding. Raises KeyError for an unknown code."""
        given = params.get("noun", {}).get(self.language)
        noun = given or self.noun(entity or "")
        usual = None if given else self.words.get(f"new_{noun_of(entity or '')}")
        new = usual or self.words["new"].format(noun=noun)
        words: dict[str, Any] = {
            "entity": entity or self.words["payload"],
            "field": field or self.words["payload"],
            "process": self.words["process"].replace("{name}", process) if process else new,
        }
        for key, value in params.items():
            words[key] = _listed(value) if isinstance(value, list) else shown(value)
        words |= {"noun": noun, "new": new}
        template = self.messages[code]
        if code in _FILLED:
            words.update(self._filling(code, params, words["field"]))
            if code == "transition" and not params["allowed"]:
                accepts = params.get("accepts")
                name = "final" if accepts is None else "accepts" if accepts else "accepts_nothing"
                template = self.words[name]
        if process is None and code == "required":
            template = self.words["unselected"]
            if "changes" in params:
                template += self.words["is_a_change"]
        if "list" in params:
            template = self.words["stored_item"]
        text = template.format_map(words)
        if suggestion := params.get("suggestion"):
            text += self.words["suggestion"].format(name=suggestion)
        return text

    def _filling(self, code: str, params: Mapping[str, Any], field: str) -> dict[str, str]:
        """Return the texts for the params of a code that are not names."""
        match code:
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
        """Return the test of a condition: its words have the name of the test."""
        if "exists" in when:
            return self.words["sent" if when["exists"] else "not_sent"]
        test = next(each for each in _TESTS if each in when)
        value = when[test]
        if isinstance(value, dict):
            members = self.words["and"].join(
                self.words["member"].format(name=name, value=shown(each))
                for name, each in value.items()
            )
            return self.words[f"{test}_item"].format(members=members)
        values = _listed(value) if isinstance(value, list) else shown(value)
        return self.words[test].format(value=values, values=values)

    def render(self, message: Message) -> str:
        """Return a message of the library in this language."""
        return message.render(lambda _, key: self.reasons[key])

    def counted(self, name: str, count: int) -> str:
        """Return a count with its noun, in the right plural form."""
        return self.counts[name][self.plural(count)].format(count=count)

    def text(self, name: str, **words: object) -> str:
        """Return a text of TEXTS with its placeholders filled."""
        return self.texts[name].format_map(words)


@cache
def catalogue(language: str = DEFAULT) -> Catalogue:
    """Return the texts of a language. Raises NoSuchLanguage."""
    if language not in TABLES:
        raise NoSuchLanguage(language, tuple(TABLES))
    return Catalogue(language, import_module(TABLES[language]))


def _listed(values: list[Any]) -> str:
    return ", ".join(map(shown, values))


def shown(value: object) -> str:
    """Return a value of the spec as JSON writes it, a text without quotes."""
    return _LITERALS[value] if value is None or isinstance(value, bool) else str(value)
