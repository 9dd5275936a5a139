"""A graph of tables as SVG: layers from left to right, boxes that do not touch, edges that pass between them.

The usual way (Sugiyama): a rank for each box, a place in every rank that an edge passes, and an order with few crossings.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from transforms.graph import Edge, Graph, Node

_COLOURS = {"bronze": ("#b45309", "#fef3e2"), "silver": ("#64748b", "#f1f5f9"), "gold": ("#a16207", "#fefce8")}
_LETTER, _LINE, _PAD = 7.4, 17.0, 12.0  # width of a letter at 13 px, height of a line, space inside a box
_GAP, _SPACE, _TOP, _MARGIN = 76.0, 14.0, 44.0, 24.0  # between ranks, between boxes of a rank, title, rim
_SWEEPS = 12
_FONT = "system-ui, Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Box:
    """Where a node is, or an edge passes a rank (then it has no height)."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        return self.x + self.width


@dataclass(frozen=True)
class Drawing:
    """Boxes by node, and for each edge the boxes that it goes through, its two ends included."""

    boxes: Mapping[str, Box]
    paths: Mapping[Edge, tuple[Box, ...]]
    bands: Mapping[str, tuple[float, float]]  # layer -> from x to x
    width: float
    height: float


def layout(graph: Graph) -> Drawing:
    """Places for everything."""
    edges = _forward(graph)
    rank = _ranks(graph, edges)
    routes = {edge: _route(edge, rank) for edge in edges}
    columns = _columns(graph, rank, routes)
    near: dict[str, list[str]] = defaultdict(list)
    for route in routes.values():
        for one, other in pairwise(route):
            near[one].append(other)
            near[other].append(one)
    _uncross(columns, near)
    size = {name: _size(graph.nodes[name]) if name in graph.nodes else (0.0, 0.0) for column in columns for name in column}
    middles = _middles(columns, near, {name: height for name, (_, height) in size.items()})
    boxes: dict[str, Box] = {}
    left, bands = _MARGIN, dict[str, tuple[float, float]]()
    for column in columns:
        width = max(size[name][0] for name in column)
        for name in column:
            boxes[name] = Box(left, middles[name] - size[name][1] / 2, width, size[name][1])
        for layer in {graph.nodes[name].layer for name in column if name in graph.nodes}:
            bands[layer] = (min(left, bands.get(layer, (left, 0))[0]), left + width)
        left += width + _GAP
    bottom = max((box.y + box.height for box in boxes.values()), default=_TOP)
    paths = {edge: tuple(boxes[name] for name in route) for edge, route in routes.items()}
    kept = {name: boxes[name] for name in graph.nodes}
    return Drawing(kept, paths, bands, max(left - _GAP, _MARGIN) + _MARGIN, bottom + _MARGIN)


def svg(graph: Graph) -> str:
    """The whole picture."""
    drawing = layout(graph)
    size = f'width="{drawing.width:.0f}" height="{drawing.height:.0f}" viewBox="0 0 {drawing.width:.0f} {drawing.height:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{_FONT}" font-size="13">',
            '<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
            '<path d="M0,0 L8,4 L0,8 z" fill="#94a3b8"/></marker></defs>',
            f'<rect width="{drawing.width:.0f}" height="{drawing.height:.0f}" fill="#ffffff"/>',
            *(_band(layer, *span, drawing.height) for layer, span in drawing.bands.items()),
            *(_path(edge, boxes) for edge, boxes in drawing.paths.items()),
            *(_box(graph.nodes[name], box) for name, box in drawing.boxes.items()),
            "</svg>",
        ]
    )


def _forward(graph: Graph) -> list[Edge]:
    """The edges without those that would close a circle: a star may have one, tables that are built never do."""
    after: dict[str, list[str]] = defaultdict(list)
    kept = []
    for edge in graph.edges:
        todo, seen = [edge.end], set[str]()
        while todo:
            name = todo.pop()
            if name not in seen:
                seen.add(name)
                todo += after[name]
        if edge.start not in seen:
            after[edge.start].append(edge.end)
            kept.append(edge)
    return kept


def _ranks(graph: Graph, edges: Sequence[Edge]) -> dict[str, int]:
    """The column of each node: behind everything it is made of, and no layer before the one to its left has ended."""
    before: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        before[edge.end].append(edge.start)
    rank: dict[str, int] = {}

    def place(name: str, first: int) -> int:
        if name not in rank:
            own = [one for one in before[name] if graph.nodes[one].layer == graph.nodes[name].layer]
            rank[name] = max([first, *(place(one, first) + 1 for one in own)])
        return rank[name]

    first = 0
    for layer in graph.layers:
        inside = [name for name, node in graph.nodes.items() if node.layer == layer]
        first = max((place(name, first) for name in inside), default=first - 1) + 1
    return rank


def _route(edge: Edge, rank: Mapping[str, int]) -> tuple[str, ...]:
    """The names of an edge's ends, and between them one for each rank that it passes."""
    passed = range(rank[edge.start] + 1, rank[edge.end])
    # Edges from one node share their way: fewer lines to follow.
    return (edge.start, *(f"{edge.start} past {number}" for number in passed), edge.end)


def _columns(graph: Graph, rank: Mapping[str, int], routes: Mapping[Edge, Sequence[str]]) -> list[list[str]]:
    columns: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for name in graph.nodes:
        columns[rank[name]].append(name)
    for edge, route in routes.items():
        for number, name in enumerate(route[1:-1], rank[edge.start] + 1):
            if name not in columns[number]:
                columns[number].append(name)
    return columns


def _uncross(columns: list[list[str]], near: Mapping[str, Sequence[str]]) -> None:
    """Order each rank by the mean place of its neighbours in the rank before, then in the one behind, a few times."""
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        numbers = range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1)
        for number in numbers:
            place = {name: at for at, name in enumerate(columns[number + (-1 if forward else 1)])}
            now = {name: at for at, name in enumerate(columns[number])}

            def mean(name: str, place: Mapping[str, int] = place, now: Mapping[str, int] = now) -> float:
                there = [place[other] for other in near[name] if other in place]
                return sum(there) / len(there) if there else float(now[name])

            columns[number].sort(key=mean)


def _middles(
    columns: Sequence[Sequence[str]], near: Mapping[str, Sequence[str]], heights: Mapping[str, float]
) -> dict[str, float]:
    """The height at which each thing stands: near the mean of its neighbours, in order, and clear of the others."""
    middle: dict[str, float] = {}
    for column in columns:
        _stack(column, dict.fromkeys(column, 0.0), heights, middle)
    for _ in range(_SWEEPS):
        for column in [*columns, *reversed(columns)]:
            wanted = {name: _mean([middle[other] for other in near[name]] or [middle[name]]) for name in column}
            _stack(column, wanted, heights, middle)
    top = min((middle[name] - heights[name] / 2 for name in middle), default=0.0)
    return {name: at - top + _TOP for name, at in middle.items()}


def _stack(column: Sequence[str], wanted: Mapping[str, float], heights: Mapping[str, float], middle: dict[str, float]) -> None:
    """Put a rank's things one below the other, each as near to where it wants to be as the others let it."""
    # Things that would overlap become a pile, which stands where its members want to be on the average.
    piles: list[tuple[list[str], float]] = []  # members, and the top of the first
    for name in column:
        members, top = [name], wanted[name] - heights[name] / 2
        while piles and piles[-1][1] + _tall(piles[-1][0], heights) + _SPACE > top:
            members = [*piles.pop()[0], *members]
            offset, tops = 0.0, []
            for member in members:
                tops.append(wanted[member] - heights[member] / 2 - offset)
                offset += heights[member] + _SPACE
            top = _mean(tops)
        piles.append((members, top))
    for members, top in piles:
        for member in members:
            middle[member] = top + heights[member] / 2
            top += heights[member] + _SPACE


def _tall(members: Sequence[str], heights: Mapping[str, float]) -> float:
    return sum(heights[member] for member in members) + _SPACE * (len(members) - 1)


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers)


def _lines(node: Node) -> list[str]:
    return [f"{column}  {mark}".rstrip() for column, _, mark in node.columns]


def _size(node: Node) -> tuple[float, float]:
    longest = max(len(line) for line in [node.label, *_lines(node)])
    rows = len(node.columns)
    return longest * _LETTER + 2 * _PAD, _LINE * (1 + rows) + _PAD + (6 if rows else 0)


def _band(layer: str, start: float, end: float, height: float) -> str:
    dark, light = _COLOURS[layer]
    return (
        f'<rect x="{start - 12:.1f}" y="8" width="{end - start + 24:.1f}" height="{height - 16:.1f}" rx="8" fill="{light}"/>'
        f'<text x="{start:.1f}" y="28" fill="{dark}" font-weight="600">{layer}</text>'
    )


def _path(edge: Edge, boxes: Sequence[Box]) -> str:
    parts = [f"M{boxes[0].right:.1f},{boxes[0].middle:.1f}"]
    for one, other in pairwise(boxes):
        half = (one.right + other.x) / 2
        parts.append(f"C{half:.1f},{one.middle:.1f} {half:.1f},{other.middle:.1f} {other.x:.1f},{other.middle:.1f}")
        if other is not boxes[-1]:
            parts.append(f"H{other.right:.1f}")
    dashed = ' stroke-dasharray="4 3"' if edge.label == "changes" else ""
    title = f"{edge.start} → {edge.end}" + (f" ({edge.label})" if edge.label else "")
    return (
        f'<path d="{" ".join(parts)}" fill="none" stroke="#94a3b8" stroke-width="1.3"{dashed} marker-end="url(#to)">'
        f"<title>{escape(title)}</title></path>"
    )


def _box(node: Node, box: Box) -> str:
    dark, _ = _COLOURS[node.layer]
    note = f"{node.name}: {node.note}" if node.note else node.name
    first = box.y + _PAD / 2 + 13
    place = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}"'
    weight = 600 if node.columns else 400
    parts = [
        f'<g><title>{escape(note)}</title><rect {place} rx="5" fill="#ffffff" stroke="{dark}"/>',
        f'<text x="{box.x + _PAD:.1f}" y="{first:.1f}" fill="#0f172a" font-weight="{weight}">{escape(node.label)}</text>',
    ]
    if node.columns:
        rule = first + 7
        parts.append(f'<path d="M{box.x:.1f},{rule:.1f} H{box.right:.1f}" stroke="{dark}" stroke-width="0.7"/>')
    for number, line in enumerate(_lines(node), 1):
        parts.append(f'<text x="{box.x + _PAD:.1f}" y="{first + 6 + number * _LINE:.1f}" fill="#475569">{escape(line)}</text>')
    return "".join([*parts, "</g>"])
