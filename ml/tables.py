"""The tables that models write into gold, described as declared tables are, so that the warehouse can publish them."""

from ml.model import Scored, models

# What the frame adds to each row of a model's answers.
STAMP = {
    "model": "Registered model in MLflow, or the plain rule that answers while no model has earned its place.",
    "model_version": "Its version in MLflow; 0 for a plain rule.",
    "release": "The warehouse's newest release when the row was made; null before the first.",
    "scored_on": "The day, in the shop's time zone, on which the row was made.",
}


def tables() -> dict[str, Scored]:
    """Every table that a model or its monitoring writes, by name."""
    from ml.monitoring.table import MONITORING

    scored = [table for model in models().values() for table in model.tables]
    return {table.name: table for table in [*scored, MONITORING]}
