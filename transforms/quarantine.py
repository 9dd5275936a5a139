"""Rows kept out of their table: `quarantine.<table>` holds each with the rule that it breaks, until a later version passes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lake.bronze import EPOCH_BITS
from lake.delta import Lake
from lake.errors import UsageError
from lake.quarantine import COMMENTS, SCHEMA, name
from transforms.declaration import ByKey, Table
from transforms.mirror import FILE as MIRROR
from transforms.rules import FLAG, keeps_out

if TYPE_CHECKING:
    import polars as pl

    from transforms.inputs import Inputs
    from transforms.write import Written

CHECKS = "meta.checks"
_SHOWN = ["key", "rule", "reason", "raw", "quarantined_at"]
# Columns in which a row that stays in quarantine may differ from what is there.
_COMPARED = ["key", "rule", "reason", "raw", "_sequence"]
_CHECKS = pa.schema(
    [
        ("run", pa.string()),
        ("table", pa.string()),
        ("rule", pa.string()),
        ("level", pa.string()),
        ("checked", pa.int64()),
        ("broken", pa.int64()),
        ("at", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True)
class Scope:
    """Which rows a step judged: those whose `columns` have one of `values`, or all rows."""

    columns: tuple[str, ...]
    values: pa.Table | None = None


def settle(table: Table, inputs: Inputs, written: Written, scope: Scope) -> None:
    """Put the rows that a step kept out into quarantine, and let out those that it judged again and found good or gone."""
    if table.file == MIRROR:
        return  # it has no rules: what is in its place are lines of files, which capture put there
    lake, place = inputs.lake, name(table.name)
    out = written.kept_out if written.kept_out is not None and written.kept_out.num_rows else None
    if out is None and not lake.exists(place):
        return
    import polars as pl

    lake.create(place, SCHEMA, comment=f"Rows that {table.name} keeps out, and why", comments=COMMENTS)
    before = _judged(lake, place, scope)
    now = pl.DataFrame(_rows(table, inputs, out, scope) if out is not None else [], schema=before.schema)
    news = now.join(before, on=_COMPARED, how="anti", nulls_equal=True)
    gone = before.join(now, on="key", how="anti")
    if news.height or gone.height:
        marked = pl.concat([news.with_columns(_delete=pl.lit(False)), gone.with_columns(_delete=pl.lit(True))])
        rows = marked.to_arrow().cast(SCHEMA.append(pa.field("_delete", pa.bool_())))
        lake.merge(place, rows, ["key"], delete="_delete")


def _judged(lake: Lake, place: str, scope: Scope) -> pl.DataFrame:
    """The rows in quarantine that a step has judged again."""
    import polars as pl

    held = pl.DataFrame(lake.read(place))
    if scope.values is None:
        return held
    judged = {_json([row[column] for column in scope.columns]) for row in scope.values.to_pylist()}
    return held.filter([_place(key, scope) in judged for key in held["key"]])


def record(lake: Lake, table: Table, written: Written, run: str) -> None:
    """Append how many rows each rule judged and how many broke it."""
    now = datetime.now(UTC)
    rows = [
        {
            "run": run,
            "table": table.name,
            "rule": rule.name,
            "level": rule.level,
            "checked": written.checked,
            "broken": written.broken.get(rule.name, 0),  # a step that had no row to judge says so too
            "at": now,
        }
        for rule in table.rules
    ]
    if rows:
        lake.create(CHECKS, _CHECKS, comment="Rows judged and rows that broke each rule, for each run")
        lake.append(CHECKS, pa.Table.from_pylist(rows, schema=_CHECKS))


def counts(lake: Lake) -> dict[str, dict[str, int]]:
    """Rows in quarantine now: table in quarantine -> rule -> rows."""
    found = {place: Counter(lake.read(place, columns=["rule"]).column("rule").to_pylist()) for place in lake.names("quarantine")}
    return {place: dict(rules) for place, rules in found.items() if rules}


def tables(lake: Lake, known: Mapping[str, Table]) -> dict[str, str]:
    """Tables whose rows in quarantine may come back, with the name of that quarantine. What capture put there stays."""
    places = {name(table.name): table for table in known.values()}
    held = {place: places[place] for place in counts(lake) if place in places}
    return {table.name: place for place, table in held.items() if table.file != MIRROR}


def listed(lake: Lake, wanted: str, limit: int) -> list[dict[str, Any]]:
    """The newest rows in quarantine of one table, by its name or that of its quarantine. UsageError: there is none."""
    places = lake.names("quarantine")
    found = [place for place in places if wanted in (place, place.split(".", 1)[1])]
    found = found or [place for place in places if "." in wanted and place == name(wanted)]
    found = found or [place for place in places if place == f"quarantine.gold_{wanted}"]
    if not found:
        raise UsageError(f"no row of {wanted} was ever in quarantine; cartlake quarantine lists what is there")
    rows = lake.read(found[0]).sort_by([("quarantined_at", "descending"), ("key", "ascending")])
    return list(rows.select(_SHOWN).slice(0, limit).to_pylist())


def _rows(table: Table, inputs: Inputs, out: pa.Table, scope: Scope) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    named = [*dict.fromkeys([*table.key, *scope.columns])]
    raws = _bronze(table, inputs, out)
    rows = []
    for row in out.to_pylist():
        broken = [table.rules[number].name for number in keeps_out(table.rules) if row.pop(f"{FLAG}{number}")]
        result = {column: value for column, value in row.items() if not column.startswith(FLAG)}
        raw = raws.get(tuple(row[column] for column in table.key), result)
        rows.append(
            {
                "key": _json({column: row[column] for column in named}),
                "rule": broken[0],
                "reason": "breaks " + "; ".join(broken),
                "raw": _json(raw),
                "_sequence": row.get("_sequence"),
                "quarantined_at": now,
            }
        )
    return rows


def _bronze(table: Table, inputs: Inputs, out: pa.Table) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The bronze rows behind rows of a silver table, by its key."""
    if not isinstance(table.update, ByKey) or not table.driving.startswith("bronze."):
        return {}
    there = [table.update.keys[column] for column in table.key]
    keys = out.select(list(table.key)).rename_columns(there)
    bronze = inputs.bronze(table.driving)
    rows = bronze.rows.filter(f"_sequence >= {bronze.generation << EPOCH_BITS}")
    found = inputs.engine.arrow(bronze.latest(rows.join(inputs.engine.frame(keys), there, "left_semi"))).to_pylist()
    return {tuple(row[column] for column in there): row for row in found}


def _place(key: str, scope: Scope) -> str:
    found = json.loads(key)
    return _json([found.get(column) for column in scope.columns])


def _json(value: object) -> str:
    return json.dumps(value, default=_text, ensure_ascii=False)


def _text(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
