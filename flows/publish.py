"""Make gold the warehouse's new release."""

from prefect import flow

from flows.observed import run_steps


@flow(name="publish")
def publish() -> None:
    """Make gold the warehouse's new release."""
    run_steps(["publish"])
