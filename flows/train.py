"""Train the sales forecast on gold and register it in MLflow."""

from prefect import flow

from flows.observed import run_steps


@flow(name="train")
def train() -> None:
    """Train the sales forecast on gold and register it in MLflow."""
    run_steps(["train"])
