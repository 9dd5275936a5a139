"""A past run, trained again: from the rows it read then, whatever the tables hold now."""

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from lake.errors import PermanentFailure, UsageError
from ml.life import store
from ml.life.again import again, compared, other_code

TABLE = "gold.feature_customer"


@pytest.fixture
def later(trained: Any) -> Iterator[Any]:
    """The lake some time after the training: half of the customers are gone, and the others spend ten times as much."""
    then = trained.lake.read(TABLE)
    rows = pl.DataFrame(pl.from_arrow(then)).filter(pl.col("customer_id") % 2 == 0)
    other = rows.with_columns((pl.col("amount", "net_amount") * 10).cast(pl.Decimal(18, 2))).to_arrow()
    trained.lake.overwrite(TABLE, other.cast(then.schema))
    yield trained
    trained.lake.overwrite(TABLE, then)


def test_a_past_run_trains_again_to_the_same_metrics_although_the_table_has_other_rows(later: Any) -> None:
    client = store.connect(later.settings.ml.tracking_uri, later.settings.ml.artifacts)
    run = later.report.models["customer_segments"].run_id
    known = [version.version for version in client.search_model_versions("name = 'customer_segments'")]
    assert later.lake.read(TABLE).num_rows != later.lake.read(TABLE, _version_of(client, run)).num_rows
    found = again(later.settings, run)
    assert {row["metric"] for row in found.rows} >= {"separation_loss", "adjusted_rand", "silhouette"}
    assert found.different == []
    assert [version.version for version in client.search_model_versions("name = 'customer_segments'")] == known


def test_what_a_vacuum_took_is_named(later: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise OSError("no such file")

    monkeypatch.setattr("ml.reader.Gold.table", gone)
    with pytest.raises(PermanentFailure, match=r"what the run read cannot be read any more \(gold.feature_customer at \d+\)"):
        again(later.settings, later.report.models["customer_segments"].run_id)


def test_a_run_that_is_not_there_is_named(trained: Any) -> None:
    with pytest.raises(UsageError, match="MLflow has no run 0123"):
        again(trained.settings, "0123")


def test_a_metric_that_differs_or_is_missing_is_not_equal() -> None:
    rows = compared({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.0 + 1e-9, "b": 2.001, "d": 4.0})
    assert {row["metric"]: row["equal"] for row in rows} == {"a": True, "b": False, "c": False, "d": False}


@pytest.mark.parametrize(
    ("tags", "commit", "dirty", "said"),
    [
        ({"git.commit": "aaa", "git.dirty": "false"}, "aaa", "false", ""),
        ({"git.commit": "aaa", "git.dirty": "false"}, "bbb", "false", "the run's code is commit aaa, this is bbb"),
        ({"git.commit": "aaa", "git.dirty": "true"}, "aaa", "false", "the run's code had changes that are not in commit aaa"),
        ({"git.commit": "aaa", "git.dirty": "false"}, "aaa", "true", "this code had changes that are not in commit aaa"),
        ({"git.commit": "aaa", "git.dirty": "true"}, "aaa", "true", "the run's and this code had changes"),
        ({"git.commit": "aaa"}, "", "", "the run's commit is aaa, this is no checkout"),
        ({}, "aaa", "false", "no commit tells whether the code is the same"),
    ],
)
def test_code_that_is_not_the_run_s_is_told(tags: dict[str, str], commit: str, dirty: str, said: str) -> None:
    found = other_code(tags, commit, dirty)
    assert found.startswith(said)
    assert bool(found) == bool(said)


def _version_of(client: Any, run: str) -> int:
    return int(client.get_run(run).data.tags[f"delta.{TABLE}"])
