"""The champion as MLflow's SQLite file names it is the one that MLflow names, and a server starts without importing MLflow."""

import os
import subprocess
import sys
from collections.abc import Callable

from lake.config import Settings
from ml.life import registry, store
from ml.serving import lookup

NAME = "repeat_purchase"
_STARTED = """
import sys
from lake.config import load
from ml.serving.champions import Champions
champions = Champions(load(), None)
print({name: loaded.version for name, loaded in champions.serving.items()}, "mlflow" in sys.modules)
"""


def add(settings: Settings, number: int) -> None:
    """A version in MLflow whose model is as small as one can be."""
    import mlflow
    import numpy as np

    from ml.customers.features import NUMERIC
    from ml.repeat.served import Linear, RepeatPurchase

    client = store.connect(settings.ml.tracking_uri, settings.ml.artifacts)
    folder = settings.data / f"served {number}"
    folder.mkdir(parents=True)
    RepeatPurchase(Linear(np.zeros(len(NUMERIC)), 0.0), 1.0, 0.0).save(folder)
    example = np.zeros((1, 1))
    with mlflow.start_run(experiment_id=store.experiment(client, NAME, settings.ml.artifacts)) as run:
        made = mlflow.pyfunc.log_model(
            artifact_path="model",
            loader_module="ml.repeat.served",
            data_path=str(folder),
            signature=mlflow.models.infer_signature(dict.fromkeys(NUMERIC, 1.0), example),
            pip_requirements=["numpy"],
        )
    registry.register(client, NAME, "words", run.info.run_id, made.model_uri, registry.CHAMPION, "because")


def test_the_file_says_what_mlflow_says(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    client = store.connect(settings.ml.tracking_uri, settings.ml.artifacts)
    database = settings.data / "mlflow" / "mlflow.db"
    assert lookup.holder(database, NAME, registry.CHAMPION) is None
    for number in (1, 2):
        add(settings, number)
        found = registry.holder(client, NAME)
        assert found is not None
        assert lookup.holder(database, NAME, registry.CHAMPION) == (number, registry.folder(client, found))
    registry.step_back(client, NAME)
    assert lookup.holder(database, NAME, registry.CHAMPION)[0] == 1  # type: ignore[index]
    assert lookup.holder(database, NAME, registry.CHALLENGER) is None
    env = {**os.environ, "CARTLAKE_CONFIG": str(settings.home / "cartlake.toml"), "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", _STARTED], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert said.stdout.strip() == "{'repeat_purchase': 1} False", said.stderr
