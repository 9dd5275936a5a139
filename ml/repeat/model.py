"""The repeat-purchase model: the probability that a customer buys within 30 days."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.customers import features
from ml.model import Fitted, Job, Prepared, Reader, Scored, Served, Trained, Tried
from ml.repeat import snapshots
from ml.tables import STAMP

if TYPE_CHECKING:
    import polars as pl

    from lake.config import Settings
    from ml.repeat.recipes import Recipe
    from ml.repeat.served import Floats

_FILE = "snapshots.parquet"
_RECENCY = (7, 14, 30, 60, 120, 240, 480)  # days: bounds of the plain rule's buckets


class RepeatPurchaseModel:
    """Fulfils ml.model.Model."""

    name = "repeat_purchase"
    doc = "Probability that a customer buys within the next 30 days."
    reads = (features.SOURCE,)
    tables = (
        Scored(
            name="gold.customer_scores",
            grain="one row per customer who ever bought",
            key=("customer_id",),
            doc="How likely each customer is to buy within the 30 days from as_of_date on.",
            comments={
                "customer_id": "The shop's number of the customer.",
                "as_of_date": "The first of the 30 days; only what was known before it entered.",
                "repeat_probability": "Probability of a purchase in these 30 days, calibrated.",
                "decile": "1 for the tenth of customers with the highest probability … 10.",
                **STAMP,
            },
        ),
        Scored(
            name="gold.customer_scores_history",
            grain="one row per day of scoring and customer",
            key=("as_of_date", "customer_id"),
            doc="What gold.customer_scores said each day, so that it can be held against what came.",
            comments={
                "customer_id": "The shop's number of the customer.",
                "as_of_date": "The first of the 30 days.",
                "repeat_probability": "As it was said then.",
                **STAMP,
            },
        ),
    )
    appended: Mapping[str, str] = {"gold.customer_scores_history": "as_of_date"}
    served = "ml.repeat.served"
    code = (
        "ml.customers.days",
        "ml.customers.features",
        "ml.forecast.panel",
        "ml.frame",
        "ml.repeat.model",
        "ml.repeat.recipes",
        "ml.repeat.scores",
        "ml.repeat.served",
        "ml.repeat.snapshots",
        "ml.trees",
    )
    packages = ("numpy", "pandas", "xgboost-cpu")

    def prepare(self, reader: Reader, settings: "Settings", today: date, folder: Path) -> Prepared:
        """Leave the snapshots in the folder."""
        from ml.customers import days

        rows = reader.table(features.SOURCE)
        as_of = days.as_of(rows, today)
        taken = snapshots.taken(rows, as_of)
        taken.write_parquet(folder / _FILE)
        return Prepared(as_of - timedelta(days=1), days.digest(taken), {"as_of": as_of.isoformat()})

    def train(self, job: Job) -> Trained:
        """A cut per past month: learn from the months before it, calibrate on the newest of those, ask about the month after."""
        import polars as pl

        from ml.repeat import scores
        from ml.repeat.recipes import CANDIDATES, Recipe, fit, probabilities

        taken = pl.read_parquet(job.folder / _FILE)
        known = {number: taken.filter(pl.col("snapshot") == number) for number in taken["snapshot"].unique().sort().to_list()}
        cuts = snapshots.cuts(len(known))
        recipes = list(CANDIDATES)
        held = Recipe.from_json(job.champion) if job.champion else None
        if held and held.to_json() not in [recipe.to_json() for recipe in recipes]:
            recipes.append(held)

        # Frames of its own for each recipe: polars locks a frame while it gives up Python's lock, and two threads that meet in
        # one wait for each other for ever.
        own = {recipe.to_json(): {number: frame.clone() for number, frame in known.items()} for recipe in recipes}

        def asked_of(recipe: Recipe) -> "list[tuple[Floats, Floats]]":
            answers, mine = [], own[recipe.to_json()]
            for asked, taught in cuts:
                older = snapshots.sampled([mine[number] for number in taught[1:]])
                _, made = fit(recipe, job.spark, job.folder, older, mine[taught[0]])
                answers.append((mine[asked]["bought"].to_numpy(), probabilities(made, mine[asked])))
            job.step(f"backtest of {recipe.name}")
            return answers

        # A thread per recipe: a fit is mostly waiting for one small job of Spark's after the other.
        with ThreadPoolExecutor(len(recipes)) as pool:
            said = dict(zip([recipe.to_json() for recipe in recipes], pool.map(asked_of, recipes), strict=True))
        plain = [(known[asked]["bought"].to_numpy(), by_recency(known[taught[0]], known[asked])) for asked, taught in cuts]

        def tried(name: str, recipe: str, answers: "list[tuple[Floats, Floats]]") -> Tried:
            losses = np.array([scores.log_loss(*answer) for answer in answers])
            truth, probability = (np.concatenate(side) for side in zip(*answers, strict=True))
            return Tried(name, recipe, losses, scores.all_of(truth, probability))

        every = tuple(tried(recipe.name, recipe.to_json(), said[recipe.to_json()]) for recipe in recipes)
        by_json = {recipe.to_json(): recipe for recipe in recipes}

        def fitted(chosen: Tried) -> Fitted:
            return _fitted(job, by_json[chosen.recipe], known, said[chosen.recipe])

        params = {"days": snapshots.DAYS, "cuts": len(cuts), "snapshots": len(known), "customers": known[0].height, **job.options}
        return Trained("log_loss", every, tried("rate by recency", "{}", plain), fitted, params)

    def answers(self, reader: Reader, settings: "Settings", today: date, served: Served | None) -> "Mapping[str, pl.DataFrame]":
        """Every customer's probability, and the same for the history. Nothing while there is no champion."""
        import polars as pl

        from ml.customers import days

        if served is None:
            return {}
        rows = reader.table(features.SOURCE)
        as_of = days.as_of(rows, today)
        known = features.at(rows, as_of)
        probability = pl.Series("repeat_probability", served.predict(known.to_pandas())["repeat_probability"].to_numpy())
        said = known.select("customer_id", pl.lit(as_of).alias("as_of_date")).with_columns(probability)
        place = pl.col("repeat_probability").rank("ordinal", descending=True) - 1
        decile = (place * 10 // pl.len() + 1).cast(pl.Int32).alias("decile")
        return {"gold.customer_scores": said.with_columns(decile), "gold.customer_scores_history": said}

    def inputs(self, reader: Reader, settings: "Settings", today: date) -> "pl.DataFrame":
        """What the champion is asked about now: its drift is watched, and that of the answers."""
        from ml.customers import days

        rows = reader.table(features.SOURCE)
        return features.at(rows, days.as_of(rows, today)).select(features.NUMERIC)


def by_recency(taught: "pl.DataFrame", asked: "pl.DataFrame") -> "Floats":
    """The plain rule: the share that bought a month ago, of customers who had been away about as long."""
    bounds = np.array(_RECENCY)
    place, truth = np.digitize(taught["recency_days"].to_numpy(), bounds), taught["bought"].to_numpy()
    overall = float(truth.mean())
    rates = np.array([truth[place == k].mean() if (place == k).any() else overall for k in range(len(bounds) + 1)])
    return np.asarray(np.clip(rates, 1e-4, 1 - 1e-4)[np.digitize(asked["recency_days"].to_numpy(), bounds)])


def _fitted(job: Job, recipe: "Recipe", known: "dict[int, pl.DataFrame]", said: "list[tuple[Floats, Floats]]") -> Fitted:
    import polars as pl

    from ml.monitoring import profile
    from ml.repeat import plots
    from ml.repeat.recipes import fit

    taught = snapshots.sampled([known[number] for number in range(1, min(snapshots.TAUGHT, len(known)))])
    pipeline, served = fit(recipe, job.spark, job.folder, taught, known[0])
    truth, probability = (np.concatenate(side) for side in zip(*said, strict=True))
    inputs = known[0].select(features.NUMERIC)
    answers = pl.from_pandas(served.predict(inputs.to_pandas()))
    return Fitted(
        served=served,
        example=inputs.head(5).to_pandas(),
        spark=pipeline,
        params={"estimator": recipe.estimator, **{f"estimator.{key}": value for key, value in recipe.params.items()}},
        metrics={"platt.slope": served.slope, "platt.shift": served.shift},
        figures=plots.all_of(truth, probability),
        files={"recipe.json": json.loads(recipe.to_json())},
        profile=profile.of(inputs.hstack(answers)),
    )


MODEL: Any = RepeatPurchaseModel()
