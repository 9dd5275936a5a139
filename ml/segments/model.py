"""Customer segments: kinds of customers by how lately, how often and how much they buy."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.customers import features
from ml.errors import TooLittleData
from ml.model import Fitted, Job, Prepared, Reader, Scored, Served, Trained, Tried
from ml.segments.space import COLUMNS, placed
from ml.tables import STAMP

if TYPE_CHECKING:
    import polars as pl

    from lake.config import Settings
    from ml.segments.quality import Labels
    from ml.segments.recipes import Recipe
    from ml.segments.served import Segments
    from ml.segments.space import Floats

_FILE = "customers.parquet"
_HALVES = 4  # resamples of half the customers; each is compared with the next
LEAST_CUSTOMERS = 100
BEHAVIOUR = ("discount_share", "return_share", "categories", "units_per_order", "orders_90", "mean_gap")
SEGMENTS, MOVES = "gold.customer_segments", "gold.customer_segment_moves"
_CUSTOMER = {"customer_id": "The shop's number of the customer.", "as_of_date": "Only what was known before this day entered."}


class CustomerSegmentsModel:
    """Fulfils ml.model.Model.

    The loss of a resample is 1 - (silhouette + adjusted Rand) / 2: groups that are apart are of no use if other customers would
    have led to other groups, and a split that is always found is of no use if its groups overlap.
    """

    name = "customer_segments"
    doc = "Kinds of customers by how lately, how often and how much they buy."
    reads = (features.SOURCE,)
    own = (SEGMENTS, MOVES)
    tables = (
        Scored(
            name=SEGMENTS,
            grain="one row per customer who ever bought",
            key=("customer_id",),
            doc="The segment of each customer. A segment keeps its name from training to training.",
            comments={
                **_CUSTOMER,
                "segment": "Name of the segment, from its centre.",
                "segment_key": "Its number inside the model: another version may number them otherwise.",
                "distance": "From the segment's centre, in a space whose sides are 1 long: small is typical.",
                "recency_days": "Days since the last purchase.",
                "frequency": "Orders so far.",
                "monetary": "Net revenue so far, after returns.",
                **STAMP,
            },
        ),
        Scored(
            name=MOVES,
            grain="one row per day and customer who changed segment",
            key=("moved_on", "customer_id"),
            doc="Who moved from one segment to another; a customer's first segment is no move.",
            comments={
                "customer_id": _CUSTOMER["customer_id"],
                "moved_on": "as_of_date of the scoring that found it.",
                "from_segment": "Before.",
                "to_segment": "Since.",
                **STAMP,
            },
        ),
    )
    appended: Mapping[str, str] = {MOVES: "moved_on"}
    served = "ml.segments.served"
    code = (
        *("ml.customers.days", "ml.customers.features", "ml.forecast.panel", "ml.frame"),
        *(f"ml.segments.{name}" for name in ("model", "names", "quality", "recipes", "served", "space")),
    )
    packages = ("numpy", "pandas", "scipy")

    def prepare(self, reader: Reader, settings: "Settings", today: date, folder: Path) -> Prepared:
        """Leave the customers' features in the folder."""
        from ml.customers import days

        rows = reader.table(features.SOURCE)
        as_of = days.as_of(rows, today)
        known = features.at(rows, as_of)
        if known.height < LEAST_CUSTOMERS:
            raise TooLittleData(f"{features.SOURCE} has {known.height} customers who bought, segments need {LEAST_CUSTOMERS}")
        known.write_parquet(folder / _FILE)
        return Prepared(as_of - timedelta(days=1), days.digest(known), {"as_of": as_of.isoformat()})

    def train(self, job: Job) -> Trained:
        """Fit every candidate on halves of the customers, and compare what they make of all of them."""
        import polars as pl

        from ml.segments.recipes import CANDIDATES, Halves, Recipe

        known = pl.read_parquet(job.folder / _FILE)
        rows = known.select(COLUMNS).to_numpy()
        places, halves = placed(rows), _halves(len(rows))
        recipes = list(CANDIDATES)
        if job.champion and job.champion not in [recipe.to_json() for recipe in recipes]:
            recipes.append(Recipe.from_json(job.champion))

        fitted_on = Halves(job.spark, job.folder, places, halves)

        def asked(recipe: Recipe) -> Tried:
            labels = [fitted_on.labels(recipe, number) for number in range(len(halves))]
            job.step(f"{recipe.name} on {len(halves)} halves")
            return _tried(recipe.name, recipe.to_json(), places, labels)

        # A few threads: a fit is mostly waiting for one small job of Spark's after the other.
        with ThreadPoolExecutor(3) as pool:
            every = tuple(pool.map(asked, recipes))
        naive = _tried("halves by recency and frequency", "{}", places, [_by_medians(places, half) for half in halves])
        by_json = {recipe.to_json(): recipe for recipe in recipes}
        params = {"customers": len(rows), "axes": ", ".join(COLUMNS), "resamples": len(halves), **job.options}

        def fitted(chosen: Tried) -> Fitted:
            return _fitted(job, by_json[chosen.recipe], known, every)

        return Trained("separation_loss", every, naive, fitted, params)

    def answers(self, reader: Reader, settings: "Settings", today: date, served: Served | None) -> "Mapping[str, pl.DataFrame]":
        """Every customer's segment, and who moved since the last scoring. Nothing while there is no champion."""
        import polars as pl

        from ml.customers import days

        if served is None:
            return {}
        rows = reader.table(features.SOURCE)
        as_of = days.as_of(rows, today)
        known = features.at(rows, as_of)
        said = pl.from_pandas(served.predict(known.to_pandas()))
        whole = known.select("customer_id", pl.lit(as_of).alias("as_of_date")).hstack(said)
        figures = known.select(
            "recency_days", pl.col("frequency").cast(pl.Int64), pl.col("monetary").round(2).cast(pl.Decimal(18, 2))
        )
        now = whole.hstack(figures.with_columns(pl.col("recency_days").cast(pl.Int64)))
        before = _before(reader, as_of)
        # The moves first: they are told from the segments of before, which are gone once the new ones are written.
        return {SEGMENTS: now} if before is None else {MOVES: moves(before, now, as_of), SEGMENTS: now}

    def inputs(self, reader: Reader, settings: "Settings", today: date) -> "pl.DataFrame":
        """What the champion is asked about now: its drift is watched, and that of the answers."""
        from ml.customers import days

        rows = reader.table(features.SOURCE)
        return features.at(rows, days.as_of(rows, today)).select(COLUMNS)


def _before(reader: Reader, as_of: date) -> "pl.DataFrame | None":
    """The segments as they were before this day's scoring, which may be the second one; None where there was none.

    A scoring that was killed left its moves without its segments: they have been told, and are not told once more.
    """
    import polars as pl

    try:
        before = reader.table(SEGMENTS, columns=["customer_id", "as_of_date", "segment"])
    except TooLittleData:
        return None
    try:
        moved = reader.table(MOVES, columns=["customer_id", "moved_on", "from_segment", "to_segment"])
    except TooLittleData:
        return before.select("customer_id", "segment")
    today = moved.filter(pl.col("moved_on") == as_of).select("customer_id", "from_segment")
    told = moved.filter(pl.col("moved_on") < as_of).sort("moved_on").group_by("customer_id").last()
    joined = before.join(today, on="customer_id", how="left").join(told.drop("from_segment"), on="customer_id", how="left")
    left = pl.when(pl.col("moved_on") > pl.col("as_of_date")).then("to_segment")
    return joined.select("customer_id", pl.coalesce("from_segment", left, "segment").alias("segment"))


def moves(before: "pl.DataFrame", now: "pl.DataFrame", as_of: date) -> "pl.DataFrame":
    """Customers whose segment is another than before."""
    import polars as pl

    both = now.join(before.select("customer_id", pl.col("segment").alias("from_segment")), on="customer_id")
    moved = both.filter(pl.col("segment") != pl.col("from_segment"))
    return moved.select("customer_id", pl.lit(as_of).alias("moved_on"), "from_segment", pl.col("segment").alias("to_segment"))


def _halves(count: int) -> "list[np.ndarray[Any, np.dtype[np.int64]]]":
    random = np.random.default_rng(7)
    return [np.sort(random.permutation(count)[: count // 2]) for _ in range(_HALVES)]


def _by_medians(places: "Floats", half: "np.ndarray[Any, np.dtype[np.int64]]") -> "Labels":
    """The plain rule: four groups, parted at the medians of recency and frequency of the half."""
    above = places[:, :2] > np.median(places[half, :2], axis=0)
    return np.asarray(above[:, 0] * 2 + above[:, 1], dtype=np.int64)


def _tried(name: str, recipe: str, places: "Floats", labels: "list[Labels]") -> Tried:
    from ml.segments import quality

    agreed = np.array([quality.adjusted_rand(one, labels[(i + 1) % len(labels)]) for i, one in enumerate(labels)])
    apart = np.array([quality.silhouette(places, one) for one in labels])
    metrics = {
        "silhouette": float(apart.mean()),
        "adjusted_rand": float(agreed.mean()),
        "adjusted_rand_lowest": float(agreed.min()),
    }
    return Tried(name, recipe, 1 - (agreed + apart) / 2, metrics)


def _fitted(job: Job, recipe: "Recipe", known: "pl.DataFrame", every: tuple[Tried, ...]) -> Fitted:
    from ml.monitoring import profile
    from ml.segments import names, plots
    from ml.segments.recipes import fit

    rows = known.select(COLUMNS).to_numpy()
    pipeline, root = fit(recipe, job.spark, job.folder, rows)
    made = names.carried(root, _champion(job.folder / "champion"))
    key, _ = made.keys(placed(rows))
    born = list(zip(made.names, made.born, strict=True))
    behaviour = behaving(known, np.array(made.names)[key])
    sizes = {name: int((key == number).sum()) for number, name in enumerate(made.names)}
    return Fitted(
        served=made,
        example=known.select(COLUMNS).head(5).to_pandas(),
        spark=pipeline,
        params={"algorithm": recipe.algorithm, "k": recipe.k},
        metrics={"k": recipe.k, "smallest_share": min(sizes.values()) / len(key)},
        figures={"choice.png": plots.choice(every), "segments.png": plots.profile(made, sizes, behaviour)},
        files={
            "segments.json": [
                {"segment": name, "customers": sizes[name], "born": place, "behaviour": behaviour[name]} for name, place in born
            ]
        },
        profile=profile.of(known.select(COLUMNS).with_columns(segment=np.array(made.names, dtype=object)[key].astype(str))),
    )


def behaving(known: "pl.DataFrame", segment: "np.ndarray[Any, np.dtype[np.str_]]") -> dict[str, dict[str, float]]:
    """Segment -> mean of each of BEHAVIOUR over its customers. None of them is an axis: docs/models.md says what that costs."""
    import polars as pl

    means = known.select(BEHAVIOUR).with_columns(segment=segment).group_by("segment").agg(pl.col(BEHAVIOUR).mean())
    return {row["segment"]: {name: round(row[name], 4) for name in BEHAVIOUR} for row in means.iter_rows(named=True)}


def _champion(folder: Path) -> "Segments | None":
    """The champion's segments, whose names are carried on; None where there is no champion."""
    from ml.segments.served import _load_pyfunc

    return _load_pyfunc(str(folder)) if (folder / "model.json").exists() else None


MODEL: Any = CustomerSegmentsModel()
