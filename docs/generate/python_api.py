"""Write the page about the Python API: every public name with its signature and docstring.

A name is public if it is in `__all__` of ttrules or of ttrules.strategies. The text is the
docstring, so `help(ttrules.validate)` shows the same.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, Final

import ttrules
from ttrules import Rulebook, strategies
from ttrules.exports.matrix.markdown import markdown_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

#: Methods that other modules of the package use; they are not public.
_NEIGHBOURS: Final = frozenset({"accepts", "changing", "rules", "selecting"})
_WIDTH: Final = 96
_WRAPPED: Final = re.compile(r"ForwardRef\('([^']*)'[^)]*\)")
#: The modules whose `__all__` is public, each with its introduction.
MODULES: Final[dict[ModuleType, str]] = {
    ttrules: (
        "These functions use the shipped rules. `load` returns a rulebook of your own rules with the"
        " same functions as methods."
    ),
    strategies: 'Strategies for Hypothesis, with `pip install "ttrules[hypothesis]"`.',
}


def api() -> Iterator[str]:
    """Yield the page."""
    yield "# Python API"
    yield ""
    yield "From [ttrules/\\_\\_init\\_\\_.py](../../ttrules/__init__.py) and"
    yield "[ttrules/strategies/__init__.py](../../ttrules/strategies/__init__.py). Names that are"
    yield "not on this page are not public. See also [Compatibility](../compatibility.md)."
    for module, said in MODULES.items():
        yield f"\n## {module.__name__}\n"
        yield said
        yield ""
        yield from markdown_table(
            ("name", "summary"),
            ((f"`{name}`", _summary(module, name)) for name in module.__all__),
        )
        for name in module.__all__:
            yield from _told(f"{module.__name__}.{name}", getattr(module, name))


def _summary(module: ModuleType, name: str) -> str:
    return _prose(inspect.getdoc(getattr(module, name)) or "").partition("\n")[0]


def _told(name: str, found: Any) -> Iterator[str]:
    """Yield the section about a name."""
    yield f"\n### {name}\n"
    yield "```text"
    yield _signature(name.rpartition(".")[2], found)
    yield "```"
    yield ""
    yield _prose(inspect.getdoc(found) or "")
    if inspect.isclass(found) and not issubclass(found, BaseException):
        yield ""
        yield from markdown_table(("member", "type", "summary"), _members(found))


def _members(kind: type) -> Iterator[tuple[str, str, str]]:
    """Yield the public members of a class: fields first, then properties and methods."""
    for name, annotation in inspect.get_annotations(kind).items():
        yield f"`{name}`", f"`{_annotation(annotation)}`", ""
    for name, of in vars(kind).items():
        if name.startswith("_") or (kind is Rulebook and name in _NEIGHBOURS):
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


def _returned(function: Any) -> Any:
    return inspect.signature(function).return_annotation


def _sentence(of: object) -> str:
    return _prose(inspect.getdoc(of) or "").partition("\n\n")[0]


def _signature(name: str, found: Any) -> str:
    """Return a signature; a long one has one parameter on each line."""
    if inspect.isclass(found) and issubclass(found, Exception) and "__init__" not in vars(found):
        return f"{name}()"  # built-in, without a signature
    parameters = _parameters(found)
    returned = "" if inspect.isclass(found) else f" -> {_annotation(_returned(found))}"
    line = f"{name}({', '.join(parameters)}){returned}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {each}," for each in parameters), f"){returned}"])


def _parameters(function: Any) -> list[str]:
    """Return the parameters of a signature as source text."""
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
    """Return a parameter without its annotation."""
    name, _, rest = parameter.partition(":")
    default = rest.rpartition(" = ")
    return f"{name}={default[2]}" if default[1] else name


def _annotation(annotation: object) -> str:
    """Return an annotation as source text, without `ForwardRef`."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = _WRAPPED.sub(r"\1", text)
    return text.replace("hypothesis.strategies.", "st.")


def _prose(text: str) -> str:
    """Return a docstring as Markdown: literals get single backticks."""
    return text.replace("``", "`")
