"""Bring silver and gold up to bronze."""

from prefect import flow

from flows.observed import run_steps


@flow(name="build")
def build() -> None:
    """Bring silver and gold up to bronze."""
    run_steps(["build"])
