"""Train models on gold and register them in MLflow."""

from prefect import flow, get_run_logger

from flows.observed import observe
from flows.steps import Progress, Report, refuse_errors
from lake.config import Settings


@flow(name="train")
def train(models: list[str] | None = None, because: str = "", model: str = "") -> None:
    """Train all models, or those named, on gold as it is now. `because` is kept with the run: who asked, and why.

    `model` is the one of an event: Prefect fills in no templates inside of a list, and would train all of them.
    """
    if because:
        get_run_logger().info("asked for: %s", because)

    def trained(settings: Settings, progress: Progress) -> Report:
        from ml.train import train as run

        return run(settings, [*(models or ()), *([model] if model else ())], because=because, on_progress=progress)

    refuse_errors([observe("train", trained)])
