"""The change feed of a Delta table, read from its log: images of the rows that its commits inserted, updated and deleted.

delta-rs 1.6.6 looks for the files of a partition such as `50%` under a path that it has not decoded, and fails; and the rows of a
commit without a feed of its own are simply those of the files that it added and removed.

Source: Delta transaction log protocol, "Change Data Files" and "Reading a Change Data Feed".
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from lake import log
from lake.fit import fit

CHANGE, VERSION = "_change_type", "_commit_version"


def feed(root: Path, schema: pa.Schema, since: int, upto: int) -> pa.Table | None:
    """Changed rows of the commits in (since, upto], in the columns of `schema`, `_change_type` and `_commit_version`.

    None when the log no longer reaches back to `since`, a file of that time is gone, or another tool has marked rows as deleted
    within files.
    """
    commits = log.commits(str(root), since, upto)
    whole = pa.schema([*schema, (CHANGE, pa.string()), (VERSION, pa.int64())])
    if commits is None or any(_marks(action) for actions in commits for action in actions):
        return None
    try:
        found = [rows for number, actions in enumerate(commits, since + 1) for rows in _told(root, actions, number, whole)]
    except FileNotFoundError:
        return None
    return pa.concat_tables([whole.empty_table(), *found])


def _marks(action: dict[str, Any]) -> bool:
    return any(action.get(kind, {}).get("deletionVector") for kind in ("add", "remove"))


def _told(root: Path, actions: Sequence[dict[str, Any]], version: int, schema: pa.Schema) -> Iterator[pa.Table]:
    """What one commit changed: its own feed if it has one, and else what the files say that it brought and took away."""
    told = [action["cdc"] for action in actions if "cdc" in action]
    for file in told:
        yield _rows(root, file, {VERSION: str(version)}, schema)
    if told:
        return
    for kind, change in (("remove", "delete"), ("add", "insert")):
        for action in actions:
            if kind in action and action[kind]["dataChange"]:
                yield _rows(root, action[kind], {CHANGE: change, VERSION: str(version)}, schema)


def _rows(root: Path, file: dict[str, Any], given: dict[str, str], schema: pa.Schema) -> pa.Table:
    """Rows of a file with what its partition and its commit give to all of them."""
    rows = pq.ParquetFile(root / unquote(file["path"])).read()
    for name, value in {**(file.get("partitionValues") or {}), **given}.items():
        kind = schema.field(name).type
        if pa.types.is_timestamp(kind) and kind.tz and value:
            value = f"{value.removesuffix('Z')}Z"  # in UTC, with or without saying so
        rows = rows.append_column(name, pa.repeat(pa.scalar(value, pa.string()).cast(kind), rows.num_rows))
    return fit(rows, schema).cast(schema)
