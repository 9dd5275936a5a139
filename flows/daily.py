"""The whole chain, once a day."""

from prefect import flow

from flows.observed import run_steps
from flows.steps import DAILY


@flow(name="daily")
def daily() -> None:
    """Capture, build, train and publish, each after the one before it."""
    run_steps(DAILY)
