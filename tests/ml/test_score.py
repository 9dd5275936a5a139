"""What scoring writes when tables change shape, when it is killed between two tables, and when one of its parts fails."""

import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from flows import steps
from flows.commands.chain import run
from lake.config import Settings
from lake.delta import Lake
from lake.errors import PermanentFailure
from ml import score as scoring
from ml.life import champion as life
from ml.model import Scored
from ml.monitoring import watch
from ml.score import score, write

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LAST = date(2026, 2, 24)  # the last day of the log
MOVES, SEGMENTS = "gold.customer_segment_moves", "gold.customer_segments"


class Killed(BaseException):
    """As SIGKILL would, it passes by every handler."""


@pytest.fixture
def scored(trained: Any, tmp_path: Path) -> Settings:
    """The trained models, with a lake of their own to score into."""
    own = tmp_path / "data"
    own.mkdir()
    shutil.copytree(trained.settings.lake_root, own / "lake")
    for table in (Path(own / "lake" / "gold")).glob("customer_s*"):
        shutil.rmtree(table)
    shutil.rmtree(own / "lake" / "gold" / "model_monitoring", ignore_errors=True)
    settings: Settings = trained.settings.model_copy(update={"data": own})
    assert settings.lake_root.startswith(str(own))
    return settings


def known_until(settings: Settings, day: date) -> None:
    """The customers as they were known at the end of a day."""
    lake, name = Lake(settings.lake_root), "gold.feature_customer"
    lake.overwrite(name, lake.read(name, version=1, filters=[("date", "<=", day)]))


def rows(settings: Settings, name: str) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(Lake(settings.lake_root).read(name)))


def history(lake: Lake, day: date, within: str | None = "day", **columns: Any) -> int:
    table = Scored("gold.said", "one row per day and customer", ("day", "customer"), "", {"why": "The reason."})
    frame = pl.DataFrame({"day": [day], "customer": [1], "release": [7], "scored_on": [day], **columns})
    return write(lake, table, frame, within)


def test_a_history_keeps_its_days_when_a_column_comes_or_goes(make_settings: Callable[..., Settings]) -> None:
    lake, day = Lake(make_settings().lake_root), date(2026, 11, 1)
    history(lake, day, score=[0.5], gone=[1])
    history(lake, day + timedelta(days=1), score=[0.6], why=["new"])
    history(lake, day + timedelta(days=2), score=[0.7], why=["newer"])
    assert history(lake, day + timedelta(days=2), score=[0.7], why=["newer"]) == 0
    found = pl.DataFrame(pl.from_arrow(lake.read("gold.said"))).sort("day").select("score", "gone", "why").rows()
    assert found == [(0.5, 1, None), (0.6, None, "new"), (0.7, None, "newer")]
    assert lake.schema("gold.said").field("why").metadata == {b"comment": b"The reason."}


def test_a_table_of_now_has_the_columns_of_now(make_settings: Callable[..., Settings]) -> None:
    lake, day = Lake(make_settings().lake_root), date(2026, 11, 1)
    history(lake, day, None, score=[0.5], gone=[1])
    history(lake, day + timedelta(days=1), None, why=["new"])
    assert lake.schema("gold.said").names == ["day", "customer", "release", "scored_on", "why"]


def test_a_history_is_not_read_beyond_the_days_that_are_written(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, day, read = Lake(make_settings().lake_root), date(2026, 11, 1), []

    def counted(*given: Any, **named: Any) -> Any:
        read.append(Lake.read(lake, *given, **named))
        return read[-1]

    monkeypatch.setattr(lake, "read", counted)
    for back in range(5):
        history(lake, day - timedelta(days=back), score=[0.5])
    assert [part.num_rows for part in read] == [0] * 5


def test_killed_between_two_tables_the_day_s_moves_are_not_lost(scored: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    known_until(scored, LAST - timedelta(days=40))
    score(scored, now=NOW)
    before = rows(scored, SEGMENTS).select("customer_id", was="segment")
    visits: list[str] = []

    def kill(point: str) -> None:
        visits.append(point)
        if visits.count("ml.written") == 1:
            raise Killed

    known_until(scored, LAST)
    monkeypatch.setattr(scoring, "crash_point", kill)
    with pytest.raises(Killed):
        score(scored, now=NOW)
    assert rows(scored, SEGMENTS)["as_of_date"].max() < LAST  # type: ignore[operator]  # the moves came first
    monkeypatch.undo()
    score(scored, now=NOW)
    both = rows(scored, SEGMENTS).join(before, on="customer_id").filter(pl.col("segment") != pl.col("was"))
    moved = rows(scored, MOVES).select("customer_id", "from_segment", "to_segment").sort("customer_id")
    assert moved.rows() == both.select("customer_id", "was", "segment").sort("customer_id").rows()
    assert moved.height > 0


def broken(*_: object, **__: object) -> Any:
    raise OSError("its files are gone")


def test_a_champion_whose_files_are_gone_stops_nobody_else(scored: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    load = life.load

    def one_gone(client: Any, found: Any) -> Any:
        return broken() if found.name == "customer_segments" else load(client, found)

    monkeypatch.setattr(life, "load", one_gone)
    report = score(scored, now=NOW)
    assert report.errors == {"customer_segments": "OSError: its files are gone"}
    assert {written.model for written in report.written} == {"repeat_purchase"}
    assert set(rows(scored, "gold.model_monitoring")["model"]) == {"repeat_purchase"}


def test_a_model_that_cannot_be_watched_is_named_and_its_days_are_caught_up_with(
    scored: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_until(scored, LAST - timedelta(days=3))
    score(scored, now=NOW)
    known_until(scored, LAST - timedelta(days=1))
    monkeypatch.setattr(watch, "_of_customers", broken)
    report = score(scored, now=NOW)
    assert report.errors == {"monitoring of repeat_purchase": "OSError: its files are gone"}
    assert set(rows(scored, "gold.model_monitoring").filter(pl.col("date") == report.watched)["model"]) == {"customer_segments"}
    asked: list[list[date]] = []
    monkeypatch.setattr(watch, "_of_customers", lambda _lake, days: asked.append(days) or [])
    known_until(scored, LAST)
    assert score(scored, now=NOW).errors == {}
    assert [len(days) for days in asked] == [3]


def test_a_failure_of_monitoring_fails_the_command_after_everything_is_written_and_published(
    scored: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = []

    def publish(settings: Settings, _progress: Any) -> Any:
        published.append(Lake(settings.lake_root).exists("gold.customer_scores"))
        return scoring.ScoreReport()

    def command(*names: str) -> Any:
        return CliRunner().invoke(run, names, obj=lambda: scored)

    only: Mapping[str, Any] = {name: lambda *_: scoring.ScoreReport() for name in steps.DAILY}
    monkeypatch.setattr(steps, "STEPS", {**only, "score": lambda settings, _: score(settings, now=NOW), "publish": publish})
    monkeypatch.setattr(watch, "watch", broken)
    said = command("daily")
    assert published == [True]
    assert said.exit_code != 0
    assert isinstance(said.exception, PermanentFailure)
    assert "monitoring: OSError: its files are gone" in str(said.exception)
    assert command("score").exit_code != 0
