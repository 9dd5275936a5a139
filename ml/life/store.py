"""The MLflow that is ours: where it is, and an experiment for each model. MLflow is imported only when it is asked for."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SQLITE = "sqlite:///"
# Nothing may be told to the outside; GitPython only warns that there is no git.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GIT_PYTHON_REFRESH": "quiet",
    "MPLBACKEND": "agg",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def connect(tracking_uri: str, artifacts: Path) -> "MlflowClient":
    """A client; the database is made where it is missing."""
    import logging

    os.environ.update(QUIET)  # MLflow reads them as it is imported
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.ERROR)
    _make_database(tracking_uri, artifacts)
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    return mlflow.MlflowClient(tracking_uri)


def exists(tracking_uri: str) -> bool:
    """Whether there can be anything in the store; a server's own loss is not ours to see."""
    return not tracking_uri.startswith(_SQLITE) or Path(tracking_uri.removeprefix(_SQLITE)).exists()


def experiment(client: "MlflowClient", name: str, artifacts: Path) -> str:
    """The id of a model's experiment, made where it is missing. Closes runs that a killed training left open.

    The caller holds the lock `train`.
    """
    found = client.get_experiment_by_name(name)
    made = found.experiment_id if found else client.create_experiment(name, artifact_location=(artifacts / name).as_uri())
    for run in client.search_runs([made], filter_string="attributes.status = 'RUNNING'"):
        client.set_terminated(run.info.run_id, "KILLED")
    return str(made)


def _make_database(tracking_uri: str, artifacts: Path) -> None:
    """A SQLite file is made beside its place and renamed: MLflow's 60 migrations are not one transaction (7 s, once)."""
    artifacts.mkdir(parents=True, exist_ok=True)
    if exists(tracking_uri):
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path = Path(tracking_uri.removeprefix(_SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    SqlAlchemyStore(f"{_SQLITE}{unfinished}", artifacts.as_uri())._dispose_engine()
    unfinished.replace(path)
