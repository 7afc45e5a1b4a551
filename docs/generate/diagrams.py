"""Draw the diagrams of the docs as SVG: the flow from `spec/` to findings, and the lifecycle.

The flow is the text FLOW. The lifecycle is drawn from the compiled lifecycle, so a new move is an
arrow after `make docs`. A diagram needs nothing beside it, and a media query gives it light or dark
colours.
"""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

Kind: TypeAlias = Literal["source", "step", "result", "final"]
Point: TypeAlias = tuple[float, float]

#: Each `#` line starts a column; a box is `name | title | lines of text`, an arrow `from > to`.
#: A title in backticks is set in a monospaced font.
FLOW: Final = """
# Written by hand | source
openapi | `openapi.yaml` | types, enums, sizes, operations
requirements | `requirements.yaml` | matrix: 75 fields, 4 processes
interpretation | `interpretation.yaml` | conditions, decisions, reasons
lifecycle | `lifecycle.yaml` | statuses, moves, events
# Compiled | step
compile | `ttrules compile` | checks the files, reports errors | with file, line and column
schemas | JSON Schema 2020-12 | one file for each process, | beside book.json
# Enforced | step
rulebook | `Rulebook` | validates a payload, or a change | of a stored ticket
# Used by | result
library | `import ttrules` | Python code and tests
command | `ttrules check` | files, CI, pre-commit
server | `python -m server` | REST API, signed events
exports | OpenAPI, Postman, matrix | generated documents
others | Ajv, Java, Go, .NET | use the schemas directly

openapi > compile
requirements > compile
interpretation > compile
lifecycle > compile
compile v schemas
schemas > rulebook
rulebook > library
rulebook > command
rulebook > server
rulebook > exports
schemas > others
"""

_STYLE: Final = """\
svg { color-scheme: light dark }
text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, Helvetica, Arial, sans-serif }
.title { font-size: 13px; font-weight: 600; fill: #1b1f24 }
.mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace }
.text { fill: #57606a } .head { fill: #57606a; font-weight: 600; letter-spacing: .04em }
.box { stroke-width: 1.25 } .line { fill: none; stroke: #8c959f; stroke-width: 1.5 }
.tip { fill: #8c959f }
.source { fill: #eef4ff; stroke: #6f8fd8 } .step { fill: #fff8e6; stroke: #c9a13b }
.result { fill: #eafaf0; stroke: #58a87a } .final { fill: #f3f4f6; stroke: #8c959f }
@media (prefers-color-scheme: dark) {
  .title { fill: #e6edf3 } .text, .head { fill: #9da7b3 }
  .line { stroke: #6e7681 } .tip { fill: #6e7681 }
  .source { fill: #15233f; stroke: #5778c4 } .step { fill: #2f2710; stroke: #a98730 }
  .result { fill: #10291c; stroke: #478c65 } .final { fill: #22272e; stroke: #6e7681 }
}"""
_LINE_HEIGHT: Final = 17
_MARGIN: Final = 12
#: A box with more arrows on one side has them this far apart.
_PORT_GAP: Final = 12


class Box(NamedTuple):
    """A box at its place: a title, and lines of text below it."""

    kind: Kind
    x: float
    y: float
    width: float
    height: float
    title: str
    lines: tuple[str, ...] = ()

    @property
    def right(self) -> float:
        """Return the x of the right side."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Return the y of the lower side."""
        return self.y + self.height

    @property
    def middle(self) -> Point:
        """Return the centre."""
        return self.x + self.width / 2, self.y + self.height / 2

    def svg(self) -> Iterator[str]:
        """Yield the elements of the box."""
        yield (
            f'<rect class="box {self.kind}" x="{self.x:g}" y="{self.y:g}" width="{self.width:g}"'
            f' height="{self.height:g}" rx="7"/>'
        )
        x, y = self.middle
        y += 4.5 - _LINE_HEIGHT * len(self.lines) / 2
        plain = self.title.strip("`")
        font = " mono" if plain != self.title else ""
        yield _text(x, y, plain, f"title{font}", "middle")
        for number, line in enumerate(self.lines, 1):
            yield _text(x, y + _LINE_HEIGHT * number, line, "text", "middle")


def flow(text: str = FLOW) -> bytes:
    """Return the diagram of the flow: columns of boxes, from left to right."""
    width, gap, top, height = 220.0, 52.0, 44.0, 366.0
    columns: list[tuple[str, Kind, list[list[str]]]] = []
    arrows: list[list[str]] = []
    for line in filter(None, text.splitlines()):
        if line.startswith("# "):
            head, kind = line[2:].split(" | ")
            columns.append((head, kind, []))  # type: ignore[arg-type]  # FLOW has no other kinds
        elif "|" in line:
            columns[-1][2].append(line.split(" | "))
        else:
            arrows.append(line.split())
    boxes: dict[str, Box] = {}
    heads = []
    for number, (head, kind, rows) in enumerate(columns):
        x = _MARGIN + number * (width + gap)
        heads.append(_text(x + width / 2, 24, head, "head", "middle"))
        heights = [26.0 + _LINE_HEIGHT * len(lines) for _, _, *lines in rows]
        space = (height - sum(heights)) / len(rows)
        y = top + space / 2
        for (name, title, *lines), each in zip(rows, heights, strict=True):
            boxes[name] = Box(kind, x, y, width, each, title, tuple(lines))
            y += each + space
    lines = [
        each
        for source, sign, target in arrows
        for each in _arrow(boxes, arrows, source, target, is_down=sign == "v")
    ]
    drawn = [each for box in boxes.values() for each in box.svg()]
    return _svg(
        2 * _MARGIN + len(columns) * (width + gap) - gap,
        top + height + _MARGIN,
        "From the spec files to findings",
        [*heads, *lines, *drawn],
    )


def _arrow(
    boxes: Mapping[str, Box],
    arrows: Sequence[Sequence[str]],
    source: str,
    target: str,
    *,
    is_down: bool,
) -> Iterator[str]:
    """Yield an arrow from the right of one box to the left of another, or down to it."""
    start, end = boxes[source], boxes[target]
    if is_down:
        x = start.middle[0]
        yield from _path([(x, start.bottom), (x, end.y)])
        return
    y1 = _port(boxes, [b for a, s, b in arrows if a == source and s == ">"], start, target)
    y2 = _port(boxes, [a for a, s, b in arrows if b == target and s == ">"], end, source)
    bend = (end.x - start.right) / 2
    tip = end.x - 7
    yield (
        f'<path class="line" d="M{start.right:g},{y1:g} C{start.right + bend:g},{y1:g}'
        f' {tip - bend:g},{y2:g} {tip:g},{y2:g}"/>'
    )
    yield _tip((end.x, y2), (1, 0))


def _port(boxes: Mapping[str, Box], others: Sequence[str], box: Box, other: str) -> float:
    """Return the y at which the arrow to or from `other` meets a side of `box`."""
    ordered = sorted(others, key=lambda name: boxes[name].y)
    return box.middle[1] + _PORT_GAP * (ordered.index(other) - (len(ordered) - 1) / 2)


def lifecycle(rules: Mapping[str, Any]) -> bytes:
    """Return the diagram of a lifecycle: a box for each status, an arrow for each move.

    A status is one column right of the last status that leads to it. The first row is the longest
    way to a final status; the other final statuses are above and below, on lines of their own.
    """
    moves = {name: [each["to"] for each in to] for name, to in rules["moves"].items()}
    column = _columns(moves, rules["initial"])
    row, lanes = _rows(moves, column, rules["initial"])
    width, gap, height, space = 188.0, 56.0, 60.0, 34.0
    first = min(row.values())
    top = _MARGIN + (28 if first < 0 else 0)
    boxes = {
        name: Box(
            "final" if not moves[name] else "source" if name == rules["initial"] else "step",
            _MARGIN + column[name] * (width + gap),
            top + (row[name] - first) * (height + space),
            width,
            height,
            f"`{name}`",
            tuple(_notes(rules, name)),
        )
        for name in moves
    }
    lines: list[str] = []
    for name, targets in moves.items():
        for target in targets:
            start, end = boxes[name], boxes[target]
            if target in lanes and not (column[target] == column[name] + 1 and start.y == end.y):
                lines += _by_lane(start, end, lanes[target])
            elif column[target] > column[name]:
                lines += _between(start, end, is_double=name in moves[target])
            elif name not in moves[target]:
                lines += _between(end, start, is_back=True)
    drawn = [each for box in boxes.values() for each in box.svg()]
    bottom = max(box.bottom for box in boxes.values())
    return _svg(
        max(box.right for box in boxes.values()) + _MARGIN,
        bottom + _MARGIN + (28 if 1 in lanes.values() else 0),
        "The lifecycle of a trouble ticket",
        [*lines, *drawn],
    )


def _columns(moves: Mapping[str, Sequence[str]], initial: str) -> dict[str, int]:
    """Return the column of each status: the longest way to it, without moves that lead back."""
    column = dict.fromkeys(moves, 0)

    def visit(name: str, path: tuple[str, ...]) -> None:
        column[name] = max(column[name], len(path))
        for target in moves[name]:
            if target not in (*path, name):
                visit(target, (*path, name))

    visit(initial, ())
    return column


def _rows(
    moves: Mapping[str, Sequence[str]], column: Mapping[str, int], initial: str
) -> tuple[dict[str, int], dict[str, int]]:
    """Return the row of each status, and the side (-1 above, 1 below) of each final one's line."""
    sources = {name: [a for a, to in moves.items() if name in to] for name in moves}
    finals = [name for name, to in moves.items() if not to]
    last = max(finals, key=lambda name: (column[name], -len(sources[name])))
    row = {initial: 0, last: 0}
    while last != initial:
        last = next(a for a in sources[last] if column[a] == column[last] - 1)
        row[last] = 0
    taken = {column[name]: 1 for name in moves}
    for name in moves:
        if name not in row and name not in finals:
            row[name] = taken[column[name]]
            taken[column[name]] += 1
    deepest = max(row.values())
    lanes: dict[str, int] = {}
    for name in finals:
        if name not in row:
            lanes[name] = 1 if -1 in lanes.values() else -1
            row[name] = deepest if lanes[name] > 0 else -1
    return row, lanes


def _notes(rules: Mapping[str, Any], name: str) -> Iterator[str]:
    """Yield the lines below the name of a status."""
    if name == rules["initial"]:
        yield "first status"
    for event, trigger in rules["events"].items():
        if trigger.get("to") == name:
            yield f"event: {re.sub('^TroubleTicket|Event$', '', event)}"
    if not rules["moves"][name]:
        yield f"final: accepts only {', '.join(rules['final']['accepts'])}"


def _between(
    left: Box, right: Box, *, is_double: bool = False, is_back: bool = False
) -> Iterator[str]:
    """Yield an arrow between neighbours, with a tip at each end that can be moved to."""
    y2 = right.middle[1]
    y1 = left.middle[1] if right.y == left.y else left.middle[1] + 9 * (1 if y2 > left.y else -1)
    x1, x2 = left.right, right.x
    bend = (x2 - x1) / 2
    from_x, to_x = x1 + 7 * (is_double or is_back), x2 - 7 * (not is_back)
    yield (
        f'<path class="line" d="M{from_x:g},{y1:g} C{x1 + bend:g},{y1:g}'
        f' {x2 - bend:g},{y2:g} {to_x:g},{y2:g}"/>'
    )
    if not is_back:
        yield _tip((x2, y2), (1, 0))
    if is_double or is_back:
        yield _tip((x1, y1), (-1, 0))


def _by_lane(start: Box, end: Box, side: int) -> Iterator[str]:
    """Yield an arrow along the line above or below, which all moves to `end` share."""
    lane = end.y - 20 if side < 0 else end.bottom + 20
    x, to_x = start.middle[0], end.middle[0]
    edge = start.y if side < 0 else start.bottom
    yield from _path(
        [(x, edge), (x, lane), (to_x, lane), (to_x, end.y if side < 0 else end.bottom)]
    )


def _path(points: Sequence[Point]) -> Iterator[str]:
    """Yield a line with round corners through points, and its tip."""
    (x1, y1), (x2, y2) = points[-2:]
    direction = ((x2 > x1) - (x2 < x1), (y2 > y1) - (y2 < y1))
    ends = [*points[:-1], (x2 - 7 * direction[0], y2 - 7 * direction[1])]
    drawn = f"M{ends[0][0]:g},{ends[0][1]:g}"
    for before, corner, after in zip(ends, ends[1:], ends[2:], strict=False):
        near, far = _towards(corner, before), _towards(corner, after)
        drawn += f" L{near[0]:g},{near[1]:g} Q{corner[0]:g},{corner[1]:g} {far[0]:g},{far[1]:g}"
    yield f'<path class="line" d="{drawn} L{ends[-1][0]:g},{ends[-1][1]:g}"/>'
    yield _tip((x2, y2), direction)


def _towards(corner: Point, other: Point) -> Point:
    """Return the point where the curve of a corner begins, on the way to `other`."""
    (x, y), (to_x, to_y) = corner, other
    return x + 8 * ((to_x > x) - (to_x < x)), y + 8 * ((to_y > y) - (to_y < y))


def _tip(at: Point, direction: tuple[int, int]) -> str:
    """Return the tip of an arrow."""
    (x, y), (dx, dy) = at, direction
    corners = ((x, y), (x - 8 * dx - 4.5 * dy, y - 8 * dy - 4.5 * dx))
    other = (x - 8 * dx + 4.5 * dy, y - 8 * dy + 4.5 * dx)
    return (
        f'<polygon class="tip" points="{" ".join(f"{a:g},{b:g}" for a, b in (*corners, other))}"/>'
    )


def _text(x: float, y: float, text: str, style: str, anchor: str) -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: float, height: float, title: str, elements: Iterable[str]) -> bytes:
    """Return a whole SVG document."""
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title">',
            f'<title id="title">{escape(title)}</title>',
            f"<style>\n{_STYLE}\n</style>",
            *elements,
            "</svg>",
            "",
        ]
    ).encode()
