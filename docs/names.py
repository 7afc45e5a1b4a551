"""The page of the Python API: every public name, its signature and its docstring, by inspect.

What is public is what `__all__` of ttrules and of ttrules.strategies names; what is told of a name
stands at the name, so that `help(ttrules.validate)` says the same.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Final

import ttrules
from docs.tables import table
from ttrules import Book, strategies

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

#: What the neighbours in the package ask of a book; it is not public.
_NEIGHBOURS: Final = frozenset({"changing", "passes", "rules", "selecting"})
_WIDTH: Final = 96
_WRAPPED: Final = re.compile(r"ForwardRef\('([^']*)'[^)]*\)")
#: The modules whose `__all__` is public, with what is said of them.
MODULES: Final[dict[ModuleType, str]] = {
    ttrules: "The verbs are those of the shipped book; `load` gives another book, with the same verbs.",
    strategies: 'Strategies for Hypothesis, with `pip install "ttrules[hypothesis]"`.',
}


def api() -> Iterator[str]:
    """Yield the page."""
    yield "# The Python API"
    yield ""
    yield "From [ttrules/\\_\\_init\\_\\_.py](../../ttrules/__init__.py) and"
    yield "[ttrules/strategies.py](../../ttrules/strategies.py). What is not on this page is not"
    yield "public; [what may change](../compatibility.md) has a page of its own."
    for module, said in MODULES.items():
        yield f"\n## {module.__name__}\n"
        yield said
        yield ""
        yield from table(
            ("name", "in a sentence"),
            ((f"`{name}`", _summary(module, name)) for name in module.__all__),
        )
        for name in module.__all__:
            yield from _told(f"{module.__name__}.{name}", getattr(module, name))


def _summary(module: ModuleType, name: str) -> str:
    return _prose(inspect.getdoc(getattr(module, name)) or "").partition("\n")[0]


def _told(name: str, found: Any) -> Iterator[str]:  # noqa: ANN401 - whatever is public
    """Yield what there is to know of a name."""
    yield f"\n### {name}\n"
    yield "```text"
    yield _signature(name.rpartition(".")[2], found)
    yield "```"
    yield ""
    yield _prose(inspect.getdoc(found) or "")
    if inspect.isclass(found) and not issubclass(found, BaseException):
        yield ""
        yield from table(("member", "type", "in a sentence"), _members(found))


def _members(kind: type) -> Iterator[tuple[str, str, str]]:
    """Yield the public members that a class has itself: fields first, then what it can be asked."""
    for name, annotation in inspect.get_annotations(kind).items():
        yield f"`{name}`", f"`{_annotation(annotation)}`", ""
    for name, of in vars(kind).items():
        if name.startswith("_") or (kind is Book and name in _NEIGHBOURS):
            continue
        if isinstance(of, property):
            yield f"`{name}`", f"`{_annotation(_returned(of.fget))}`", _sentence(of)
        function = of.__func__ if isinstance(of, classmethod | staticmethod) else of
        if inspect.isfunction(function):
            named = [_bare(each) for each in _parameters(function)]
            yield (
                f"`{name}({', '.join(named)})`",
                f"`{_annotation(_returned(function))}`",
                _sentence(of),
            )


def _returned(function: Any) -> Any:  # noqa: ANN401 - a function
    return inspect.signature(function).return_annotation


def _sentence(of: object) -> str:
    return _prose(inspect.getdoc(of) or "").partition("\n\n")[0]


def _signature(name: str, found: Any) -> str:  # noqa: ANN401 - whatever is public
    """Return a signature, a line a parameter where it is long."""
    if inspect.isclass(found) and issubclass(found, Exception) and "__init__" not in vars(found):
        return f"{name}()"  # Python's own, which has no signature
    parameters = _parameters(found)
    returned = "" if inspect.isclass(found) else f" -> {_annotation(_returned(found))}"
    line = f"{name}({', '.join(parameters)}){returned}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {each}," for each in parameters), f"){returned}"])


def _parameters(function: Any) -> list[str]:  # noqa: ANN401 - a function
    """Return the parameters of a signature as they are written."""
    written, is_named = [], False
    for name, each in inspect.signature(function).parameters.items():
        if name in {"self", "cls"}:
            continue
        if each.kind is each.KEYWORD_ONLY and not is_named:
            is_named = True
            written.append("*")
        text = name if each.annotation is each.empty else f"{name}: {_annotation(each.annotation)}"
        written.append(text if each.default is each.empty else f"{text} = {each.default!r}")
    return written


def _bare(parameter: str) -> str:
    """Return a parameter without its type."""
    name, _, rest = parameter.partition(":")
    default = rest.rpartition(" = ")
    return f"{name}={default[2]}" if default[1] else name


def _annotation(annotation: object) -> str:
    """Return a type as it is written in the code, which Python may have wrapped."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = _WRAPPED.sub(r"\1", text)
    return text.replace("hypothesis.strategies.", "st.")


def _prose(text: str) -> str:
    """Return a docstring as Markdown: its literals are in double backticks."""
    return text.replace("``", "`")
