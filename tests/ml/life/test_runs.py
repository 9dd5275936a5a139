"""What MLflow has of each model that was trained on a shop with a release."""

import re
from typing import Any

import pytest

from lake.config import Settings
from lake.delta import Lake
from ml.life import facts, registry, store
from ml.model import models

PLOTS = {
    "customer_segments": {"choice.png", "segments.png"},
    "recommendations": {"precision.png"},
    "repeat_purchase": {"calibration.png", "gain.png"},
    "sales_forecast": {"forecast.png", "residuals.png"},
}


@pytest.fixture(scope="module")
def client(trained_shop: Settings) -> Any:
    return store.connect(trained_shop.ml.tracking_uri, trained_shop.ml.artifacts)


def newest(client: Any, name: str) -> registry.Version:
    """The champion or, where nobody has earned it on so small a shop, the challenger."""
    found = registry.holder(client, name) or registry.holder(client, name, registry.CHALLENGER)
    assert found is not None
    return found


def test_every_model_is_looked_at_here() -> None:
    assert set(PLOTS) == set(models())


@pytest.mark.parametrize("name", PLOTS)
def test_a_run_says_what_it_was_made_from(client: Any, trained_shop: Settings, name: str) -> None:
    tags, lake = newest(client, name).tags, Lake(trained_shop.lake_root)
    assert {tag.removeprefix("delta."): int(tags[tag]) for tag in tags if tag.startswith("delta.")} == {
        table: lake.version(table) for table in models()[name].reads
    }
    assert tags["warehouse.release"] == "1"  # the newest when it was trained
    if facts.commit():  # the tests may run from a copy that is no checkout
        assert re.fullmatch("[0-9a-f]{40}", tags["git.commit"])
        assert tags["git.dirty"] in ("true", "false")


@pytest.mark.parametrize("name", PLOTS)
def test_a_run_has_plots_backtest_and_a_model_with_signature_and_example(client: Any, name: str) -> None:
    import mlflow

    version = newest(client, name)
    files = {file.path for file in client.list_artifacts(version.run_id)}
    assert files >= {*PLOTS[name], "backtest.json", "profile.json"}
    info = mlflow.models.get_model_info(client.get_model_version(name, str(version.number)).source)
    assert info.signature.inputs.input_names()
    assert info.signature.outputs.input_names()
    assert info.saved_input_example_info
    model = mlflow.pyfunc.load_model(client.get_model_version(name, str(version.number)).source)
    assert list(model.input_example) == info.signature.inputs.input_names()
    assert list(model.predict(model.input_example)) == info.signature.outputs.input_names()


@pytest.mark.parametrize("name", [name for name in PLOTS if name != "sales_forecast"])
def test_a_run_has_the_model_of_spark_too(client: Any, name: str) -> None:
    """A forecast has one only where a regressor takes part."""
    import mlflow

    assert "spark" in mlflow.models.get_model_info(f"runs:/{newest(client, name).run_id}/spark").flavors
