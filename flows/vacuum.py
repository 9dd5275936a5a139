"""Remove what no release, clone or build needs any more."""

from prefect import flow

from flows.observed import run_steps


@flow(name="vacuum")
def vacuum() -> None:
    """Remove what no release, clone or build needs any more."""
    run_steps(["vacuum"])
