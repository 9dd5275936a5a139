"""Write what the champions answer into gold, and the day's monitoring."""

from prefect import flow

from flows.observed import run_steps


@flow(name="score")
def score() -> None:
    """Write what the champions answer into gold; what monitoring finds out of order asks for a training."""
    run_steps(["score"])
