"""A file parted at its row groups: each part is a file of its own that every reader understands, with the same rows."""

from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.row_groups import part


def table(rows: int) -> pa.Table:
    texts = [None if n % 7 == 0 else f"text {n % 50}" for n in range(rows)]
    return pa.table(
        {
            "k": range(rows),
            "text": texts,
            "long": pa.array([str(n) * 50 for n in range(rows)]),
            "price": pa.array([Decimal(n) / 4 for n in range(rows)], pa.decimal128(20, 4)),
            "on": [n % 3 == 0 for n in range(rows)],
            "tags": pa.array([[f"a{n % 3}"] * (n % 4) if n % 5 else None for n in range(rows)], pa.list_(pa.string())),
            "size": pa.array([{"w": n, "h": None} for n in range(rows)], pa.struct([("w", pa.int32()), ("h", pa.float64())])),
            "none": pa.nulls(rows, pa.string()),
        }
    )


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(0, 300),
    group=st.integers(20, 120),
    dictionary=st.booleans(),
    index=st.booleans(),
    codec=st.sampled_from(["zstd", "snappy", "none"]),
    version=st.sampled_from(["1.0", "2.0"]),
)
def test_the_parts_have_the_rows_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: int, group: int, dictionary: bool, index: bool, codec: str, version: str
) -> None:
    whole = table(rows)
    file = tmp_path_factory.mktemp("parts") / "file.parquet"
    pq.write_table(
        whole,
        file,
        row_group_size=group,
        use_dictionary=dictionary,
        compression=codec,
        write_page_index=index,
        data_page_version=version,
    )
    before = pq.read_metadata(file)
    groups = [before.row_group(number) for number in range(before.num_row_groups)]
    stats = [group.column(0).statistics for group in groups]
    told = [(group.num_rows, said and (said.min, said.max)) for group, said in zip(groups, stats, strict=True)]
    parts = part(file)
    assert [len(pq.read_table(one)) for one in parts] == ([count for count, _ in told] or [0])
    assert pa.concat_tables([pq.read_table(one) for one in parts]).equals(whole)
    assert pl.concat([pl.read_parquet(one) for one in parts]).equals(pl.DataFrame(whole))
    assert duckdb.read_parquet([str(one) for one in parts]).to_arrow_table().num_rows == rows
    found = [pq.read_metadata(one).row_group(0).column(0).statistics for one in parts if told]
    assert [said and (said.min, said.max) for said in found] == [ends for _, ends in told]
    assert file.exists() == (len(told) < 2)


def test_a_part_keeps_what_the_footer_says_beside(tmp_path: Path) -> None:
    file = tmp_path / "file.parquet"
    pq.write_table(table(100).replace_schema_metadata({"said": "so"}), file, row_group_size=40)
    for one in part(file):
        assert pq.read_schema(one).metadata == {b"said": b"so"}
        assert pq.read_metadata(one).created_by.startswith("parquet-cpp-arrow")
