"""gold.model_monitoring: what was measured of each model, day by day."""

from ml.model import Scored

NAME = "gold.model_monitoring"
OK, WARN, ALERT = "ok", "warn", "alert"
MONITORING = Scored(
    name=NAME,
    grain="one row per day, model, metric and subject",
    key=("date", "model", "metric", "subject"),
    doc="Whether the models may still be trusted: drift of what they are asked, and what came true of what they said.",
    comments={
        "date": "The day that was looked at.",
        "model": "Registered model in MLflow.",
        "metric": "price_shift, missing_sales, category_test: the day's sales against the days before; psi: features and "
        "predictions against those in training; realised_mase, realised_coverage, realised_calibration: what came true.",
        "subject": "What it is about: a category, a feature, or 'all'.",
        "value": "What was measured.",
        "threshold": "The value from which on it is an alert.",
        "status": "ok, warn or alert.",
        "detail": "The same in a sentence.",
        "model_version": "The champion of the day.",
    },
)
