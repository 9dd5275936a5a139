"""Product recommendations from baskets."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ml.errors import TooLittleData
from ml.model import Fitted, Job, Prepared, Reader, Scored, Served, Trained, Tried
from ml.tables import STAMP

if TYPE_CHECKING:
    import polars as pl

    from lake.config import Settings
    from ml.recommend.recipes import Recipe
    from ml.recommend.served import Ints, Neighbours

_LINES, _SOLD = "lines.parquet", "sold.parquet"
CUTS, AHEAD, BEHIND = 4, 28, 365  # days that a cut asks about, and that it learns from
LEAST_BASKETS = 500  # of several products
_RECENT = 20  # products of a customer that speak for others, the newest first
CUSTOMERS, PRODUCTS = "gold.recommendations", "gold.product_recommendations"


class RecommendationsModel:
    """Fulfils ml.model.Model.

    The question of the backtest is the basket: given one product of it, which are the others? That is where the shop shows a
    recommendation, and the answer is known for every basket of several products.
    """

    name = "recommendations"
    doc = "Products that go with a basket, or with what a customer bought."
    reads = ("gold.dim_product", "gold.fact_sales")
    tables = (
        Scored(
            name=CUSTOMERS,
            grain="one row per customer of the last year and rank",
            key=("customer_id", "rank"),
            doc="Ten products for each customer who bought within a year, from what goes with what they bought last.",
            comments={
                "customer_id": "The shop's number of the customer.",
                "rank": "1 is the best.",
                "product_id": "The product recommended; always one that is still sold.",
                "score": "The higher the better; 0 where it is only popular.",
                "because_of": "The product of the customer's that speaks for it most; null where it is only popular.",
                **STAMP,
            },
        ),
        Scored(
            name=PRODUCTS,
            grain="one row per product that is sold and rank",
            key=("product_id", "rank"),
            doc="Ten products to show beside each product: bought together.",
            comments={
                "product_id": "The product looked at.",
                "rank": "1 is the best.",
                "other_product_id": "The product recommended.",
                "score": "The higher the better; 0 where it is only popular.",
                **STAMP,
            },
        ),
    )
    served = "ml.recommend.served"
    code = (
        *("ml.customers.days", "ml.forecast.panel"),
        *(f"ml.recommend.{name}" for name in ("model", "quality", "recipes", "served")),
    )
    packages = ("numpy", "pandas")

    def prepare(self, reader: Reader, settings: "Settings", today: date, folder: Path) -> Prepared:
        """Leave the sale lines of the last year and a half, and the products that are sold, in the folder."""
        import polars as pl

        from ml.customers.days import digest

        lines, last = _lines(reader, today, BEHIND + CUTS * AHEAD)
        several = lines.group_by("basket").len().filter(pl.col("len") > 1).height
        if several < LEAST_BASKETS:
            told = f"gold.fact_sales has {several} orders of several products in the last {BEHIND + CUTS * AHEAD} days"
            raise TooLittleData(f"{told}, recommendations need {LEAST_BASKETS}: capture more history and build again")
        sold = _sold(reader)
        lines.write_parquet(folder / _LINES)
        sold.write_parquet(folder / _SOLD)
        return Prepared(last, digest(lines) + digest(sold), {"last_day": last.isoformat()})

    def train(self, job: Job) -> Trained:
        """At each cut, learn from the year before it, and complete the baskets of the four weeks after it."""
        import polars as pl

        from ml.recommend import quality
        from ml.recommend.recipes import CANDIDATES, Recipe, fit

        lines = pl.read_parquet(job.folder / _LINES)
        sold = pl.read_parquet(job.folder / _SOLD)["product_id"].to_numpy()
        last = date.fromisoformat(job.options["last_day"])
        cuts = [last - timedelta(days=AHEAD * (number + 1)) for number in range(CUTS)]
        recipes = list(CANDIDATES)
        held = Recipe.from_json(job.champion) if job.champion else None
        if held and held.to_json() not in [recipe.to_json() for recipe in recipes]:
            recipes.append(held)
        answers: dict[str, list[dict[str, float]]] = {recipe.to_json(): [] for recipe in recipes}
        plain = []
        for cut in cuts:
            taught = _between(lines, cut - timedelta(days=BEHIND - 1), cut)
            asked = quality.hidden(_between(lines, cut + timedelta(days=1), cut + timedelta(days=AHEAD)))
            if taught.is_empty() or not asked:
                continue
            then = _between(lines, cut - timedelta(days=AHEAD), cut)["product_id"].unique().to_numpy()
            # A thread per recipe, with a frame of its own (see ml/repeat/model.py): a fit is mostly waiting for one small job of
            # Spark's after the other.
            with ThreadPoolExecutor(len(recipes)) as pool:
                fits = [pool.submit(fit, recipe, job.spark, job.folder, taught.clone(), then) for recipe in recipes]
            made = [one.result()[0] for one in fits]
            for recipe, model in zip(recipes, made, strict=True):
                answers[recipe.to_json()].append(quality.found(model, asked))
            plain.append(quality.found(quality.popular_only(made[0]), asked))
            job.step(f"cut at {cut}")

        def tried(name: str, recipe: str, cut: list[dict[str, float]]) -> Tried:
            metrics = {key: float(np.mean([one[key] for one in cut])) for key in cut[0]}
            return Tried(name, recipe, np.array([1 - one["precision_10"] for one in cut]), metrics)

        every = tuple(tried(recipe.name, recipe.to_json(), answers[recipe.to_json()]) for recipe in recipes)
        by_json = {recipe.to_json(): recipe for recipe in recipes}
        params = {"cuts": len(plain), "days_behind": BEHIND, "days_ahead": AHEAD, **job.options}

        def fitted(chosen: Tried) -> Fitted:
            return _fitted(job, by_json[chosen.recipe], _between(lines, last - timedelta(days=BEHIND - 1), last), sold, every)

        return Trained("missed_10", every, tried("most popular", "{}", plain), fitted, params)

    def answers(self, reader: Reader, settings: "Settings", today: date, served: Served | None) -> "Mapping[str, pl.DataFrame]":
        """Ten for each customer of the last year and ten for each product. Nothing while there is no champion."""
        if served is None:
            return {}
        model: Neighbours = served  # type: ignore[assignment]
        lines, _ = _lines(reader, today, BEHIND)
        return {CUSTOMERS: _for_customers(model, lines), PRODUCTS: _for_products(model, _sold(reader)["product_id"].to_list())}


def _lines(reader: Reader, today: date, days: int) -> "tuple[pl.DataFrame, date]":
    """basket (a number), product_id, customer_id and date of the sale lines of the last complete days, each pair once."""
    import polars as pl

    from ml.forecast.panel import last_complete_day

    rows = reader.table("gold.fact_sales", columns=["order_id", "customer_id", "product_id", "date_key"])
    dated = rows.drop_nulls().with_columns(pl.col("date_key").cast(pl.String).str.to_date("%Y%m%d").alias("date"))
    if dated.is_empty():
        raise TooLittleData("gold.fact_sales has no sale yet: capture sales and build first")
    counted = dated.group_by("date").len()
    newest: date = dated["date"].max()  # type: ignore[assignment]
    last = min(last_complete_day({day: float(count) for day, count in counted.iter_rows()}, today), newest)
    inside = dated.filter(pl.col("date").is_between(last - timedelta(days=days - 1), last))
    once = inside.unique(["order_id", "product_id"]).sort("date", "order_id", "product_id")
    return once.select(pl.col("order_id").rank("dense").cast(pl.Int64).alias("basket"), "product_id", "customer_id", "date"), last


def _sold(reader: Reader) -> "pl.DataFrame":
    import polars as pl

    rows = reader.table("gold.dim_product", columns=["product_id", "is_current", "discontinued_at"])
    still = rows.filter(pl.col("is_current") & pl.col("discontinued_at").is_null() & pl.col("product_id").is_not_null())
    return still.select("product_id").unique().sort("product_id")


def _between(lines: "pl.DataFrame", first: date, last: date) -> "pl.DataFrame":
    import polars as pl

    return lines.filter(pl.col("date").is_between(first, last))


def _for_customers(model: "Neighbours", lines: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    newest = (
        lines.sort("date", descending=True).group_by("customer_id", maintain_order=True).agg(pl.col("product_id").head(_RECENT))
    )
    rows = []
    for customer, products in newest.sort("customer_id").iter_rows():
        found, scores, spoke = model.best(model.places(dict.fromkeys(products)))
        for rank, (place, score, by) in enumerate(zip(found, scores, spoke, strict=True), start=1):
            rows.append((customer, rank, int(model.products[place]), score, int(model.products[by]) if by >= 0 else None))
    kinds = {"customer_id": pl.Int64, "rank": pl.Int32, "product_id": pl.Int64, "score": pl.Float64, "because_of": pl.Int64}
    return pl.DataFrame(rows, schema=kinds, orient="row")


def _for_products(model: "Neighbours", sold: list[int]) -> "pl.DataFrame":
    import polars as pl

    rows = []
    for product in sold:
        found, scores, _ = model.best(model.places([product]))
        rows += [
            (product, rank, int(model.products[p]), s) for rank, (p, s) in enumerate(zip(found, scores, strict=True), start=1)
        ]
    kinds = {"product_id": pl.Int64, "rank": pl.Int32, "other_product_id": pl.Int64, "score": pl.Float64}
    return pl.DataFrame(rows, schema=kinds, orient="row")


def _fitted(job: Job, recipe: "Recipe", lines: "pl.DataFrame", sold: "Ints", every: tuple[Tried, ...]) -> Fitted:
    import pandas as pd

    from ml.recommend import plots
    from ml.recommend.recipes import fit

    made, pipeline = fit(recipe, job.spark, job.folder, lines, sold)
    first = [str(made.products[place : place + 2].tolist()) for place in range(0, 6, 2)]
    return Fitted(
        served=made,
        example=pd.DataFrame({"products": first}),
        spark=pipeline,
        params={
            "algorithm": recipe.algorithm,
            "products": len(made.products),
            **{f"estimator.{k}": v for k, v in recipe.params.items()},
        },
        figures={"precision.png": plots.precision(every)},
    )


MODEL: Any = RecommendationsModel()
