"""Bring bronze up to the present position of every source."""

from prefect import flow

from flows.observed import run_steps


@flow(name="capture")
def capture() -> None:
    """Bring bronze up to the present position of every source."""
    run_steps(["capture"])
