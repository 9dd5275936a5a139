"""Writes one fitted model into an MLflow run: parameters, errors, plots, the backtest, and the model in both its forms."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ml.model import Fitted, Model, Trained, Tried

BACKTEST = "backtest.json"  # the losses of every recipe, fold by fold
PROFILE = "profile.json"  # the features' distribution, from which drift is measured
_PACKAGE = Path(__file__).resolve().parent.parent


def log(
    model: Model, experiment: str, trained: Trained, tried: Tried, fitted: Fitted, tags: Mapping[str, Any], folder: Path
) -> tuple[str, str]:
    """A finished run with everything in it; returns its id and the URI of the model that needs no Java."""
    import mlflow

    told = {key: str(value) for key, value in tags.items()} | {"recipe": tried.recipe, "recipe.name": tried.name}
    with mlflow.start_run(experiment_id=experiment, run_name=f"{tried.name} {tags['last_day']}", tags=told) as run:
        mlflow.log_params(
            {"recipe": tried.name, **{key: str(value)[:500] for key, value in {**trained.params, **fitted.params}.items()}}
        )
        mlflow.log_metrics(metrics(trained, tried, fitted))
        mlflow.log_dict(backtest(trained), BACKTEST)
        mlflow.log_dict(dict(fitted.profile), PROFILE)
        for name, content in fitted.files.items():
            mlflow.log_dict(content, name)
        for name, figure in fitted.figures.items():
            mlflow.log_figure(figure, name)
        uri = _log_served(model, fitted, folder)
        if fitted.spark is not None:
            mlflow.spark.log_model(
                fitted.spark,
                artifact_path="spark",
                dfs_tmpdir=os.environ["MLFLOW_DFS_TMP"],
                pip_requirements=_pins(("mlflow", "pyspark", *model.packages)),  # given, or MLflow runs pip to find them out
            )
    return str(run.info.run_id), uri


def metrics(trained: Trained, tried: Tried, fitted: Fitted) -> dict[str, float]:
    """The recipe's own without a prefix, `naive/…`, and `candidate/<recipe>/<metric>` of every one."""
    values = {trained.metric: float(tried.losses.mean()), f"naive/{trained.metric}": float(trained.naive.losses.mean())}
    values |= dict(tried.metrics) | dict(fitted.metrics)
    values |= {f"naive/{name}": value for name, value in trained.naive.metrics.items()}
    values |= {f"candidate/{name}/{trained.metric}": float(one.losses.mean()) for name, one in _called(trained.tried)}
    # MLflow refuses other characters, and a category may hold any.
    return {re.sub(r"[^\w\-. :/]", "_", name, flags=re.ASCII): float(v) for name, v in values.items() if np.isfinite(v)}


def _called(tried: tuple[Tried, ...]) -> list[tuple[str, Tried]]:
    """Each with a name that no other has: the champion's recipe, tried last, may be an older one of a candidate's name."""
    names = [one.name for one in tried]
    return [(f"{one.name} of the champion" if one.name in names[:place] else one.name, one) for place, one in enumerate(tried)]


def backtest(trained: Trained) -> dict[str, Any]:
    """The losses by recipe, as JSON: what a later comparison is made from."""
    every = {one.recipe: {"name": name, "losses": one.losses.tolist()} for name, one in _called(trained.tried)}
    naive = {"name": trained.naive.name, "losses": trained.naive.losses.tolist()}
    return {"metric": trained.metric, "recipes": every, "naive": naive}


def _log_served(model: Model, fitted: Fitted, folder: Path) -> str:
    import mlflow
    from mlflow.models import infer_signature

    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        data, code = Path(scratch) / "served", Path(scratch) / "ml"
        data.mkdir()
        fitted.served.save(data)
        shutil.copytree(_PACKAGE, code, ignore=shutil.ignore_patterns("__pycache__"))
        made = mlflow.pyfunc.log_model(
            artifact_path="model",
            loader_module=model.served,
            data_path=str(data),
            code_paths=[str(code)],
            signature=infer_signature(fitted.example, fitted.served.predict(fitted.example)),
            input_example=fitted.example,
            pip_requirements=_pins(("mlflow", *model.packages)),
        )
    return str(made.model_uri)


def _pins(names: tuple[str, ...]) -> list[str]:
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in dict.fromkeys(names)]


def losses(said: Mapping[str, Any], recipe: str) -> "np.ndarray[Any, np.dtype[np.float64]] | None":
    """The losses of a recipe in a backtest that was read back; None where it took no part."""
    found = said["recipes"].get(recipe)
    return np.array(found["losses"], dtype=float) if found else None


def read(run_id: str, name: str) -> dict[str, Any]:
    """A JSON file that a run logged; empty where it logged none of that name."""
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        return dict(json.loads(mlflow.artifacts.load_text(f"runs:/{run_id}/{name}")))
    except (MlflowException, OSError):
        return {}
