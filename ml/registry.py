"""What MLflow keeps: runs, model versions, and which of them is the champion. Imported only in the child process.

The alias `champion` of the registered model is the one thing that others ask for; `challenger` is the newest that was refused.
"""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient

MODEL = "sales_forecast"
CHAMPION, CHALLENGER = "champion", "challenger"
_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Verdict:
    """Whether a model becomes the champion, and why (not)."""

    promoted: bool
    reason: str


@dataclass(frozen=True)
class Champion:
    """The registered version that holds the alias, and what its run said of it."""

    version: int
    run_id: str
    recipe: str
    horizon: int


def decide(error: float, naive: float, champion: float | None, version: int = 0) -> Verdict:
    """On errors of the same cuts: the first must beat the naive forecast, a later one must not be worse than the champion.

    `champion` is None when there is none, or when this code can no longer follow its recipe.
    """
    if not isfinite(error):
        return Verdict(False, "its error cannot be told: no cut of the backtest has sales that vary")
    if champion is not None:
        told = f"backtest MASE {error:.3f}, champion version {version} {champion:.3f}"
        # Equal recipes fitted twice may differ in the last digits.
        return Verdict(True, f"not worse: {told}") if error <= champion * (1 + 1e-9) else Verdict(False, f"worse: {told}")
    told = f"backtest MASE {error:.3f}, seasonal naive {naive:.3f}"
    return Verdict(error < naive, f"{'beats' if error < naive else 'does not beat'} the naive forecast: {told}")


def connect(tracking_uri: str, artifacts: Path) -> "tuple[MlflowClient, str]":
    """Client and experiment id. Makes what is missing; closes runs that a killed training left open, as we hold the lock."""
    import logging

    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    _make_database(tracking_uri, artifacts)
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    client = mlflow.MlflowClient(tracking_uri)
    found = client.get_experiment_by_name(MODEL)
    experiment = found.experiment_id if found else client.create_experiment(MODEL, artifact_location=artifacts.as_uri())
    for run in client.search_runs([experiment], filter_string="attributes.status = 'RUNNING'"):
        client.set_terminated(run.info.run_id, "KILLED")
    return client, experiment


def _make_database(tracking_uri: str, artifacts: Path) -> None:
    """A SQLite file is made beside its place and renamed: MLflow's 60 migrations are not one transaction (7 s, once)."""
    artifacts.mkdir(parents=True, exist_ok=True)
    if not tracking_uri.startswith(_SQLITE):
        return
    path = Path(tracking_uri.removeprefix(_SQLITE))
    if path.exists():
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".new")
    unfinished.unlink(missing_ok=True)
    SqlAlchemyStore(f"{_SQLITE}{unfinished}", artifacts.as_uri())._dispose_engine()
    unfinished.replace(path)


def champion(client: "MlflowClient") -> Champion | None:
    """The version with the alias `champion`, if any."""
    from mlflow.exceptions import MlflowException

    try:
        found = client.get_model_version_by_alias(MODEL, CHAMPION)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):  # no such model; no such alias
            return None
        raise
    run = client.get_run(found.run_id)
    return Champion(int(found.version), found.run_id, run.data.tags["recipe"], int(run.data.params["horizon"]))


def register(client: "MlflowClient", run_id: str, source: str, tags: dict[str, Any], verdict: Verdict) -> int:
    """A new version of the model from a finished run; moves the alias that the verdict names. Returns the version's number."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(MODEL, description="Daily net revenue per category for the days to come.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = client.create_model_version(
        MODEL, source=source, run_id=run_id, tags={k: str(v) for k, v in tags.items()}, description=verdict.reason
    )
    client.set_registered_model_alias(MODEL, CHAMPION if verdict.promoted else CHALLENGER, made.version)
    return int(made.version)
