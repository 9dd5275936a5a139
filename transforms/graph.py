"""The tables as a graph: what reads what, and the star of keys and references; as text for Mermaid.

transforms/draw.py draws the same graph as SVG.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from transforms.declaration import Table, silver_of

LAYERS = ("bronze", "silver", "gold")


@dataclass(frozen=True)
class Node:
    """A table or an input; `columns` (name, type, "PK", "FK", both or neither) are shown in a star alone."""

    name: str
    layer: str
    label: str
    note: str = ""
    columns: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class Edge:
    """From what is read to what reads it; in a star from what is referred to, `label` then names the column."""

    start: str
    end: str
    label: str = ""


@dataclass(frozen=True)
class Graph:
    """Nodes by name, and the edges between them."""

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    star: bool = False
    layers: tuple[str, ...] = field(default=LAYERS)


def lineage(tables: Mapping[str, Table]) -> Graph:
    """Every table and what it reads. A change log is an edge, labelled so, from the bronze table that it is made of."""
    edges: dict[tuple[str, str], Edge] = {}
    nodes: dict[str, Node] = {}
    for name in sorted(tables):
        for read in tables[name].inputs:
            silver = tables.get(silver_of(read))
            start, label = (silver.driving, "changes") if silver else (read, "")
            edges[start, name] = Edge(start, name, label)
            nodes.setdefault(start, _node(start, tables))
        nodes.setdefault(name, _node(name, tables))
    return Graph(nodes, tuple(edges[pair] for pair in sorted(edges)))


def star(tables: Mapping[str, Table], columns: Mapping[str, Mapping[str, str]]) -> Graph:
    """The tables of gold that refer to each other, by `references` rules and by columns that bear a dimension's or fact's key.

    `columns` has the columns and types of tables that are built; of others only keys and references are known.
    """
    gold = {name: table for name, table in tables.items() if name.startswith("gold.")}
    known = {
        name: {**dict.fromkeys([*table.key, *_referring(table)], ""), **columns.get(name, {})} for name, table in gold.items()
    }
    keys = {table.key[0]: name for name, table in gold.items() if len(table.key) == 1 and _is_member(name)}
    edges: dict[tuple[str, str, str], Edge] = {}
    for name in sorted(gold):
        referred = {column: keys[column] for column in known[name] if column in keys and gold[name].key != (column,)}
        for column, target in {**referred, **_referring(gold[name])}.items():
            if target in gold and target != name:
                edges[target, name, column] = Edge(target, name, column)
    met = {end for edge in edges.values() for end in (edge.start, edge.end)}
    refer = {(edge.end, edge.label) for edge in edges.values()}
    nodes = {
        name: Node(
            name,
            "gold",
            name.split(".", 1)[1],
            gold[name].grain,
            tuple(
                (column, kind, _mark(column in gold[name].key, (name, column) in refer)) for column, kind in known[name].items()
            ),
        )
        for name in sorted(met)
    }
    return Graph(nodes, tuple(edges[one] for one in sorted(edges)), star=True, layers=("gold",))


def mermaid(graph: Graph) -> str:
    """The graph as Mermaid text, which GitHub and most wikis draw."""
    ids = _ids(graph.nodes)
    if graph.star:
        return "\n".join(["erDiagram", *_relations(graph, ids), *_entities(graph, ids)])
    lines = ["flowchart LR"]
    for layer in graph.layers:
        inside = [node for node in graph.nodes.values() if node.layer == layer]
        if inside:
            lines += [f"  subgraph {layer}", *(f'    {ids[node.name]}["{node.label}"]' for node in inside), "  end"]
    arrow = {edge: f"-. {edge.label} .->" if edge.label else "-->" for edge in graph.edges}
    return "\n".join([*lines, *(f"  {ids[edge.start]} {arrow[edge]} {ids[edge.end]}" for edge in graph.edges)])


def _relations(graph: Graph, ids: Mapping[str, str]) -> list[str]:
    return [f"  {ids[edge.start]} ||--o{{ {ids[edge.end]} : {edge.label}" for edge in graph.edges]


def _entities(graph: Graph, ids: Mapping[str, str]) -> list[str]:
    lines = []
    for node in graph.nodes.values():
        # Mermaid wants a type of letters, digits, brackets and the like, and no empty one.
        rows = [
            f"    {re.sub(r'[^A-Za-z0-9_()]+', '_', kind) or 'column'} {column} {mark}".rstrip()
            for column, kind, mark in node.columns
        ]
        lines += [f"  {ids[node.name]} {{", *rows, "  }"]
    return lines


def _node(name: str, tables: Mapping[str, Table]) -> Node:
    layer, rest = name.split(".", 1)
    # Inputs that no build writes stand on the left, whatever they are called.
    given = layer not in LAYERS
    return Node(name, "bronze" if given else layer, name if given else rest, tables[name].grain if name in tables else "")


def _referring(table: Table) -> dict[str, str]:
    return {rule.column: rule.table for rule in table.rules if rule.table}


def _mark(is_key: bool, refers: bool) -> str:
    return ", ".join([*(["PK"] if is_key else []), *(["FK"] if refers else [])])


def _is_member(name: str) -> bool:
    return name.startswith(("gold.dim_", "gold.fact_"))


def _ids(names: Collection[str]) -> dict[str, str]:
    """A word for each name: Mermaid takes no dots in one."""
    found: dict[str, str] = {}
    for name in names:
        word = re.sub(r"\W+", "_", name)
        found[name] = word if word not in found.values() else f"{word}_{len(found)}"
    return found
