"""What leads to what: sources, bronze, silver, gold, trained models, models of metrics, metrics."""

import json
from collections.abc import Iterable, Sequence

from lake.config import Settings
from lake.delta import Lake
from transforms import catalog, graph, progress
from warehouse.dashboard.reader import Reader
from warehouse.semantic.declared import Declared

Edges = frozenset[tuple[str, str]]
# Each with its colour; what is none of them (such as ref.shop) is white.
_FILLS = {
    "source": "#F5D0C5",
    "bronze": "#E8C9A0",
    "silver": "#D9D9D9",
    "gold": "#F2E2A0",
    "trained": "#E3D3EA",
    "model": "#CFE3F2",
    "metric": "#CDEADC",
}
_ENDS = ("source", "trained", "metric")
_MARK = "#D55E00"
# Grey is seen in the light and in the dark; the distances are small so that a long way fits into a page.
_HEAD = (
    'rankdir=LR; bgcolor="transparent"; ranksep=0.3; nodesep=0.12; edge [color="#888888", arrowsize=0.6]; '
    'node [shape=box, style="rounded,filled", color="#888888", fontname="sans-serif", fontsize=13, height=0.2, '
    'margin="0.07,0.03"]'
)


def of_tables(settings: Settings) -> Edges:
    """From sources to what is captured of them, and on to silver and gold, as the tables declare it."""
    lake = Lake(settings.lake_root)
    found = catalog.load(lake, {table for table, _ in progress.load(lake)})
    sources = {(f"source {table.source}", name) for name, table in found.captured.items()}
    return frozenset(sources | {(edge.start, edge.end) for edge in graph.lineage(found.tables).edges})


def of_metrics(declared: Declared) -> Edges:
    """From tables to the models of metrics, from these to metrics, and from metrics to those made of them."""
    edges = {(model.table, f"model {name}") for name, model in declared.models.items()}
    for name, model in declared.models.items():
        if model.rolls_up:
            edges.add((f"model {name}", f"model {model.rolls_up}"))  # it answers for it where that is exact
        else:
            edges |= {(f"model {join.model}", f"model {name}") for join in model.joins.values()}
    edges |= {(f"model {metric.model}", f"metric {name}") for name, metric in declared.metrics.items() if metric.model}
    edges |= {(f"metric {of}", f"metric {name}") for name, metric in declared.metrics.items() for of in metric.of}
    return frozenset(edges)


def of_models(reader: Reader) -> Edges:
    """From trained models to the tables of a release that hold what they say."""
    tables = reader.rows(
        "SELECT schema_name || '.' || table_name AS name FROM duckdb_columns() WHERE database_name = 'warehouse' "
        "AND schema_name = 'gold' AND column_name IN ('model', 'model_version') "
        "GROUP BY name HAVING count(DISTINCT column_name) = 2 ORDER BY name"
    )["name"].to_list()
    return frozenset(
        (f"trained {model}", table)
        for table in tables
        for model in reader.rows(f"SELECT DISTINCT model::VARCHAR AS model FROM {table}")["model"].to_list()
    )


def around(edges: Edges, name: str) -> Edges:
    """The edges that lead to a thing and from it, however far."""
    return _reached(edges, name) | _turned(_reached(_turned(edges), name))


def dot(edges: Edges, name: str) -> str:
    """The graph for Graphviz, from left to right, with the thing that was asked for marked."""
    nodes = sorted(_nodes(edges) | {name})
    lines = [f"{json.dumps(node)} [{_look(node, node == name)}]" for node in nodes]
    return "digraph {" + "; ".join([_HEAD, *lines, *(f"{json.dumps(a)} -> {json.dumps(b)}" for a, b in sorted(edges))]) + "}"


def told(edges: Edges, name: str) -> str:
    """Where a thing comes from and what it goes into, in a sentence, for those who cannot see the graph."""
    parts = []
    for word, way in (("comes from", _turned(_reached(_turned(edges), name))), ("goes into", _reached(edges, name))):
        ends = sorted(node for node in _nodes(way) - {name} if node.partition(" ")[0] in _ENDS)
        if ends:
            parts.append(f"{word} {', '.join(ends)}")
    return f"{name} {' and '.join(parts) or 'stands alone'}."


def _reached(edges: Iterable[tuple[str, str]], name: str) -> Edges:
    """The edges on ways that start at a thing."""
    ways: dict[str, list[tuple[str, str]]] = {}
    for edge in edges:
        ways.setdefault(edge[0], []).append(edge)
    found: set[tuple[str, str]] = set()
    ahead: Sequence[str] = [name]
    while ahead:
        step = {edge for start in ahead for edge in ways.get(start, [])} - found
        found |= step
        ahead = [end for _, end in step]
    return frozenset(found)


def _turned(edges: Edges) -> Edges:
    return frozenset((end, start) for start, end in edges)


def _nodes(edges: Edges) -> set[str]:
    return {node for edge in edges for node in edge}


def _look(node: str, asked: bool) -> str:
    """A node's label is two lines, its layer and its name there: a long way is narrower so."""
    layer, _, rest = node.partition(" " if " " in node else ".")
    label = json.dumps(f"{layer}\n{rest}" if rest else node)
    mark = f', penwidth=3, color="{_MARK}"' if asked else ""
    return f'label={label}, fillcolor="{_FILLS.get(layer, "#FFFFFF")}"{mark}'
