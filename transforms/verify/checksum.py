"""Two tables compared by sums: pure functions of frames, which know nothing of where rows come from.

A row's chunk is decided by the hash of its key, so both sides may come in any order and in parts of any size. Where count and
sum of a chunk agree on both sides, its rows are the same; only the rows of the other chunks are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl

CHUNKS = 1 << 16
_SHIFT = 48  # the highest 16 of a hash's 64 bits
_KEY_SEED, _ROW_SEED = 1, 2
# Copies of a row, where a table without a key has several.
COPIES = "_copies"

Kind = Literal["missing", "extra", "different"]


@dataclass(frozen=True)
class Difference:
    """A key whose row is missing in the lake, is extra there, or differs in these columns. Without a key it is the whole row."""

    kind: Kind
    key: dict[str, Any]
    columns: tuple[str, ...] = ()
    copies: int = 1


@dataclass
class Sums:
    """Of each chunk of a table the rows, and the sum of their hashes (modulo 2**64)."""

    key: Sequence[str]
    counts: np.ndarray[Any, np.dtype[np.int64]] = field(default_factory=lambda: np.zeros(CHUNKS, np.int64))
    sums: np.ndarray[Any, np.dtype[np.uint64]] = field(default_factory=lambda: np.zeros(CHUNKS, np.uint64))

    def add(self, rows: pl.DataFrame) -> None:
        """Count in more rows."""
        chunks = chunk_of(rows, self.key)
        self.counts += np.bincount(chunks, minlength=CHUNKS)
        np.add.at(self.sums, chunks, rows.hash_rows(_ROW_SEED).to_numpy())

    @property
    def rows(self) -> int:
        return int(self.counts.sum())

    @property
    def chunks(self) -> int:
        """How many chunks hold rows."""
        return int(np.count_nonzero(self.counts))


def chunk_of(rows: pl.DataFrame, key: Sequence[str]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The number of each row's chunk; without a key all of the row decides."""
    hashes = rows.select(list(key) or rows.columns).hash_rows(_KEY_SEED).to_numpy()
    return (hashes >> np.uint64(_SHIFT)).astype(np.int64)


def apart(one: Sums, other: Sums) -> list[int]:
    """The chunks that are not the same."""
    return [int(chunk) for chunk in np.flatnonzero((one.counts != other.counts) | (one.sums != other.sums))]


def within(chunks: Sequence[int], one: Sums, other: Sums, most: int) -> list[int]:
    """As many of the chunks as hold `most` rows together, at least one."""
    taken: list[int] = []
    held = 0
    for chunk in chunks:
        held += int(one.counts[chunk] + other.counts[chunk])
        if taken and held > most:
            break
        taken.append(chunk)
    return taken


def rows_in(rows: pl.DataFrame, key: Sequence[str], chunks: Sequence[int]) -> pl.DataFrame:
    """The rows of some chunks; of a table without a key each once, with its copies."""
    found = rows.filter(pl.Series(np.isin(chunk_of(rows, key), chunks)))
    # A filtered frame holds on to all the text that it was filtered from (12 times 250,000 rows: 541 MB, like this 207).
    dense = pl.DataFrame(found.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return dense if key else dense.group_by(dense.columns).len(COPIES)


def together(parts: Sequence[pl.DataFrame], key: Sequence[str]) -> pl.DataFrame:
    """Parts of `rows_in` as one."""
    rows = pl.concat(parts)
    return rows if key else rows.group_by(pl.exclude(COPIES)).agg(pl.col(COPIES).sum())


def differences(source: pl.DataFrame, lake: pl.DataFrame, key: Sequence[str]) -> list[Difference]:
    """What differs between two sets of rows of the same columns, in the order of the key. A null equals only a null."""
    if not key:
        return _copies(source, lake)
    names = list(key)
    others = [name for name in source.columns if name not in key]
    missing = source.join(lake, on=names, how="anti", nulls_equal=True)
    extra = lake.join(source, on=names, how="anti", nulls_equal=True)
    both = source.join(lake, on=names, how="inner", nulls_equal=True, suffix="\0lake")
    unlike = both.select(*names, *(pl.col(name).ne_missing(pl.col(f"{name}\0lake")).alias(name) for name in others))
    unlike = unlike.filter(pl.any_horizontal(others)) if others else unlike.clear()
    found = [Difference("missing", row) for row in missing.select(names).to_dicts()]
    found += [Difference("extra", row) for row in extra.select(names).to_dicts()]
    for row in unlike.to_dicts():
        found.append(Difference("different", {name: row[name] for name in names}, tuple(n for n in others if row[n])))
    return sorted(found, key=lambda one: [(value is not None, value) for value in one.key.values()])


def _copies(source: pl.DataFrame, lake: pl.DataFrame) -> list[Difference]:
    columns = [name for name in source.columns if name != COPIES]
    counted = pl.concat([source, lake.with_columns(-pl.col(COPIES).cast(pl.Int64))], how="vertical_relaxed")
    found = counted.group_by(columns).agg(pl.col(COPIES).sum()).filter(pl.col(COPIES) != 0)
    rows = [(row.pop(COPIES), row) for row in found.to_dicts()]
    return [Difference("missing" if copies > 0 else "extra", row, (), abs(copies)) for copies, row in rows]
