"""Versions and aliases in a real MLflow store, and choosing by hand. The models themselves are empty folders."""

from collections.abc import Callable
from typing import Any

import pytest

from lake.config import Settings
from lake.errors import UsageError
from ml.life import choose, kept, record, registry, store

NAME = "sales_forecast"
LINEAR, BOOSTED = '{"name": "linear"}', '{"name": "xgboost"}'


@pytest.fixture(scope="module")
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture
def client(settings: Settings) -> Any:
    """The store, without what an earlier test registered."""
    found = store.connect(settings.ml.tracking_uri, settings.ml.artifacts)
    for model in found.search_registered_models():
        found.delete_registered_model(model.name)
    return found


def add(
    client: Any, settings: Settings, alias: str, recipe: str, losses: dict[str, list[float]] | None = None, **more: str
) -> int:
    """A finished run with this backtest and more tags, registered under the alias."""
    experiment = store.experiment(client, NAME, settings.ml.artifacts)
    tags = {"recipe": recipe, "recipe.name": recipe, "last_day": "2026-11-22", **more}
    run = client.create_run(experiment, tags=tags).info.run_id
    every = {name: {"name": name, "losses": values} for name, values in (losses or {}).items()}
    client.log_dict(run, {"metric": "mase", "recipes": every, "naive": {"name": "naive", "losses": [1.0, 1.0]}}, record.BACKTEST)
    client.set_terminated(run)
    return registry.register(client, NAME, "words", run, f"runs:/{run}/model", alias, "because")


def champion(client: Any) -> int | None:
    found = registry.holder(client, NAME)
    return found.number if found else None


def test_what_a_killed_set_up_left_is_made_anew(make_settings: Callable[..., Settings]) -> None:
    fresh = make_settings()
    (fresh.data / "mlflow").mkdir(parents=True)
    (fresh.data / "mlflow" / "mlflow.db.new").write_text("half of a database")
    assert not store.exists(fresh.ml.tracking_uri)
    assert registry.holder(store.connect(fresh.ml.tracking_uri, fresh.ml.artifacts), NAME) is None
    assert store.exists(fresh.ml.tracking_uri)


def test_a_run_that_a_kill_left_open_is_closed(client: Any, settings: Settings) -> None:
    experiment = store.experiment(client, NAME, settings.ml.artifacts)
    left = client.create_run(experiment).info.run_id
    store.experiment(client, NAME, settings.ml.artifacts)
    assert client.get_run(left).info.status == "KILLED"


def test_the_alias_says_who_answers(client: Any, settings: Settings) -> None:
    assert champion(client) is None
    first = add(client, settings, registry.CHAMPION, LINEAR)
    second = add(client, settings, registry.CHALLENGER, BOOSTED)
    assert champion(client) == first
    assert registry.holder(client, NAME, registry.CHALLENGER).number == second  # type: ignore[union-attr]
    assert registry.holder(client, NAME).recipe == LINEAR  # type: ignore[union-attr]


def test_a_challenger_that_wins_by_more_than_the_noise_is_promoted(client: Any, settings: Settings) -> None:
    first = add(client, settings, registry.CHAMPION, LINEAR)
    second = add(client, settings, registry.CHALLENGER, BOOSTED, {LINEAR: [0.9, 0.8, 0.85], BOOSTED: [0.7, 0.6, 0.66]})
    moved = choose.promote(settings, NAME)
    assert (moved.before, moved.now, champion(client)) == (first, second, second)
    assert registry.holder(client, NAME, registry.CHALLENGER) is None


def test_one_within_the_noise_is_refused_with_the_figures_unless_forced(client: Any, settings: Settings) -> None:
    first = add(client, settings, registry.CHAMPION, LINEAR)
    second = add(client, settings, registry.CHALLENGER, BOOSTED, {LINEAR: [0.9, 0.6, 0.85], BOOSTED: [0.7, 0.8, 0.8]})
    with pytest.raises(UsageError, match=r"version \d+ is not promoted: it gains 0.017 on version \d+, within the noise of ±"):
        choose.promote(settings, NAME)
    assert champion(client) == first
    assert choose.promote(settings, NAME, second, force=True).now == second


def test_versions_that_no_backtest_compared_are_not_promoted(client: Any, settings: Settings) -> None:
    add(client, settings, registry.CHAMPION, LINEAR, {LINEAR: [0.9, 0.8]})
    add(client, settings, registry.CHALLENGER, BOOSTED, {BOOSTED: [0.1, 0.1]})
    with pytest.raises(UsageError, match="no backtest has both"):
        choose.promote(settings, NAME)


def test_a_rollback_goes_back_step_by_step(client: Any, settings: Settings) -> None:
    versions = [add(client, settings, registry.CHAMPION, LINEAR) for _ in range(3)]
    assert choose.rollback(settings, NAME).now == versions[1]
    assert choose.rollback(settings, NAME).now == versions[0]
    assert champion(client) == versions[0]
    with pytest.raises(UsageError, match="is its first champion; there is none before it"):
        choose.rollback(settings, NAME)
    later = add(client, settings, registry.CHAMPION, BOOSTED)
    assert (choose.rollback(settings, NAME).before, champion(client)) == (later, versions[0])


def test_a_champion_made_in_mlflow_s_own_pages_can_be_rolled_back(client: Any, settings: Settings) -> None:
    first = add(client, settings, registry.CHAMPION, LINEAR)
    second = add(client, settings, registry.CHALLENGER, BOOSTED)
    client.set_registered_model_alias(NAME, registry.CHAMPION, str(second))
    assert choose.rollback(settings, NAME).now == first


def test_what_the_models_in_use_and_those_a_rollback_returns_to_were_trained_on_is_kept(
    client: Any, settings: Settings, make_settings: Callable[..., Settings]
) -> None:
    most = registry._MOST_HELD
    for at in range(most + 2):
        add(client, settings, registry.CHAMPION, LINEAR, **{"delta.gold.a": str(at), "delta.gold.b": "5"})
    for at in (90, 91):
        add(client, settings, registry.CHALLENGER, BOOSTED, **{"delta.gold.a": str(at)})
    back = {("gold.a", at) for at in range(2, most + 2)}
    assert kept.trained_on(settings) == {*back, ("gold.a", 91), ("gold.b", 5)}
    for _ in range(most - 1):
        choose.rollback(settings, NAME)
    with pytest.raises(UsageError, match="there is none before it"):
        choose.rollback(settings, NAME)
    assert kept.trained_on(settings) == {("gold.a", 2), ("gold.a", 91), ("gold.b", 5)}
    client.delete_model_version(NAME, str(champion(client)))
    assert kept.trained_on(settings) == {("gold.a", 91)}
    assert kept.trained_on(make_settings()) == set()


def test_compare_shows_what_each_recipe_gains_on_the_champion(client: Any, settings: Settings) -> None:
    first = add(client, settings, registry.CHAMPION, LINEAR)
    add(client, settings, registry.CHALLENGER, BOOSTED, {LINEAR: [0.9, 0.8], BOOSTED: [0.8, 0.6]})
    rows = choose.compare(settings, (NAME,))
    assert [(row["recipe"], row["loss"], row["gain_on_champion"]) for row in rows] == [(BOOSTED, 0.7, 0.15), (LINEAR, 0.85, 0.0)]
    assert rows[1]["held_by"] == f"champion ({first})"
    assert {row["plain_rule"] for row in rows} == {1.0}


def test_compare_shows_the_newest_backtest_after_a_rollback_too(client: Any, settings: Settings) -> None:
    first = add(client, settings, registry.CHAMPION, LINEAR, {LINEAR: [0.9, 0.9]})
    add(client, settings, registry.CHAMPION, BOOSTED, {LINEAR: [0.9, 0.8], BOOSTED: [0.8, 0.6]})
    choose.rollback(settings, NAME)
    rows = choose.compare(settings, (NAME,))
    assert [(row["recipe"], row["held_by"]) for row in rows] == [(BOOSTED, None), (LINEAR, f"champion ({first})")]


def test_names_and_numbers_that_are_not_there_are_named(client: Any, settings: Settings) -> None:
    first = add(client, settings, registry.CHAMPION, LINEAR)
    with pytest.raises(UsageError, match=rf"sales_forecast has no version 99: it has {first}"):
        choose.promote(settings, NAME, 99)
    with pytest.raises(UsageError, match="there is no model 'weather': there are "):
        choose.rollback(settings, "weather")
    with pytest.raises(UsageError, match="has no challenger"):
        choose.promote(settings, NAME)
    with pytest.raises(UsageError, match="is the champion already"):
        choose.promote(settings, NAME, first)


def test_nothing_can_be_chosen_before_anything_is_trained(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(UsageError, match="nothing is trained yet: cartlake ml train"):
        choose.compare(make_settings())
