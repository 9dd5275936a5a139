"""`python -m ml.job FOLDER`: the child process that holds the classic Spark session. See ml/child.py for the folder.

It trains two models at once, since one is mostly small jobs of Spark's that leave a core idle. A model that fails is told of, and
the others go on.
"""

import json
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lake.errors import CartlakeError
from ml import session
from ml.life import promotion, record, registry, store
from ml.model import Job, Model, Trained, models

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from pyspark.sql import SparkSession

Step = Callable[[str], None]
_AT_ONCE = 2


def main(folder: Path) -> None:
    """Do the job in the folder. `result.json` has an entry for each model: what came out, or an `error`."""
    wire = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever Spark, MLflow or xgboost print must not get among the steps
    threading.Thread(target=_die_with_parent, daemon=True).start()

    def step(label: str) -> None:
        wire.write(json.dumps({"label": label}) + "\n")  # whole: models that are trained side by side tell of their steps
        wire.flush()

    job = json.loads((folder / "job.json").read_text())
    with ThreadPoolExecutor(1) as aside:
        # Importing MLflow and making its database takes as long as starting Spark.
        connecting = aside.submit(store.connect, job["tracking_uri"], Path(job["artifacts"]))
        spark = session.start(folder, job["cores"])
        step("Spark started")
        client = connecting.result()
    known, keeping = models(), threading.Lock()

    def result(name: str) -> dict[str, Any]:
        try:
            return _one(spark, client, keeping, known[name], folder / name, job, job["models"][name], _named(name, step))
        except CartlakeError as error:
            return {"error": str(error)}
        except Exception as error:  # one model's defect is no reason to go without the others
            traceback.print_exc()
            return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"}

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        results = dict(zip(job["models"], pool.map(result, job["models"]), strict=True))
    session.stop(spark)
    (folder / "result.json").write_text(json.dumps(results))


def _one(
    spark: "SparkSession",
    client: "MlflowClient",
    keeping: threading.Lock,
    model: Model,
    folder: Path,
    job: dict[str, Any],
    asked: dict[str, Any],
    step: Step,
) -> dict[str, Any]:
    """`keeping` is held while MLflow is used: its SQLite file has one writer, and the plots one drawer."""
    again = asked.get("again")
    with keeping:
        if again:
            rival = registry.version(client, model.name, int(again["champion"])) if again["champion"] else None
        else:
            rival = registry.holder(client, model.name)
        if rival:
            shutil.copytree(registry.folder(client, rival) / "data" / "served", folder / "champion")
    trained = model.train(Job(spark, folder, asked["options"], rival.recipe if rival else None, step))
    if again:
        return _repeated(trained, again["recipe"], step)
    verdict = promotion.decide(
        trained.metric, trained.tried, trained.naive, promotion.Rival(rival.number, rival.recipe) if rival else None
    )
    with keeping:
        experiment = store.experiment(client, model.name, Path(job["artifacts"]))
    tags = asked["tags"] | {"reason": verdict.reason, "champion.version": rival.number if rival else ""}
    made = {}
    for alias, tried in ((registry.CHALLENGER, verdict.challenger), (registry.CHAMPION, verdict.champion)):
        if tried is None:
            continue
        fitted = trained.fit(tried)
        step(f"{tried.name} fitted")
        with keeping:
            run, source = record.log(model, experiment, trained, tried, fitted, tags | {"alias": alias}, folder)
            number = registry.register(client, model.name, model.doc, run, source, alias, verdict.reason)
        made = {"version": number, "run_id": run, "metrics": record.metrics(trained, tried, fitted), "recipe": tried.name}
        step(f"version {number} in MLflow")
    naive = {trained.metric: float(trained.naive.losses.mean()), **trained.naive.metrics}
    told = {"metric": trained.metric, "naive": naive, "naive_name": trained.naive.name, "reason": verdict.reason}
    return made | told | {"promoted": verdict.champion is not None}


def _named(name: str, step: Step) -> Step:
    return lambda label: step(f"{name}: {label}")


def _repeated(trained: Trained, recipe: str, step: Step) -> dict[str, Any]:
    """The metrics of a recipe that was tried before, without a trace in MLflow."""
    found = next((tried for tried in trained.tried if tried.recipe == recipe), None)
    if found is None:
        return {"error": "this code no longer tries the recipe of that run: check out the commit that its tag git.commit names"}
    metrics = record.metrics(trained, found, trained.fit(found))
    step("trained again")
    return {"metrics": metrics}


def _die_with_parent() -> None:
    while os.read(0, 1):  # unbuffered: a thread inside sys.stdin at the interpreter's end aborts it
        pass
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
