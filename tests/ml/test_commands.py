"""`cartlake ml …` as it is typed."""

from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from flows.commands.ml import ml
from lake.errors import CartlakeError, UsageError
from ml.life.again import Repeated

Run = Callable[..., Result]


@pytest.fixture
def run(trained: Any) -> Run:
    return lambda *words: CliRunner().invoke(ml, list(words), obj=lambda: trained.settings)


def test_models_says_who_answers(run: Run, trained: Any) -> None:
    said = run("models")
    assert said.exit_code == 0
    line = next(line for line in said.stdout.splitlines() if "repeat_purchase" in line)
    assert trained.report.models["repeat_purchase"].run_id in line
    assert "sales_forecast" in said.stdout  # though it has no champion here


def test_compare_has_a_line_for_each_recipe(run: Run) -> None:
    said = run("compare", "repeat_purchase", "--format", "csv")
    assert said.exit_code == 0
    head, *lines = said.stdout.splitlines()
    assert head.startswith("model,recipe,held_by,metric,loss,plain_rule,gain_on_champion,noise,folds")
    assert {line.split(",")[1] for line in lines} == {"logistic", "gbt", "xgboost"}


def test_what_is_no_challenger_is_not_promoted(run: Run) -> None:
    said = run("promote", "customer_segments", "--version", "1")
    assert isinstance(said.exception, UsageError)
    assert "version 1 is the champion already" in str(said.exception)
    assert "there is no model 'weather'" in str(run("promote", "weather").exception)


@pytest.mark.parametrize(("now", "told"), [(1.0, "all 1 metrics are as they were"), (2.0, "1 of 1 metrics are other")])
def test_again_tells_whether_the_metrics_are_as_they_were(
    run: Run, monkeypatch: pytest.MonkeyPatch, now: float, told: str
) -> None:
    row = {"metric": "mase", "then": 1.0, "now": now, "equal": now == 1.0}
    monkeypatch.setattr("ml.life.again.again", lambda *_: Repeated([row], "the run's code is commit aaa, this is bbb"))
    said = run("again", "0123")
    assert isinstance(said.exception, CartlakeError) == (now != 1.0)
    text = said.output + str(said.exception or "")
    assert told in text
    assert "the run's code is commit aaa, this is bbb" in text
