"""How good recommendations are: what they find of a basket that was partly hidden."""

from typing import TYPE_CHECKING

import numpy as np

from ml.recommend.served import SHOWN, Neighbours

if TYPE_CHECKING:
    import polars as pl

MOST_BASKETS = 2000  # asked about in a cut


def hidden(lines: "pl.DataFrame", seed: int = 7) -> list[tuple[int, list[int]]]:
    """(product that is shown, the others that are to be found) for baskets of several products; always the same ones."""
    import polars as pl

    baskets = lines.sort("basket", "product_id").group_by("basket", maintain_order=True).agg("product_id")
    baskets = baskets.filter(pl.col("product_id").list.len() > 1)
    random = np.random.default_rng(seed)
    chosen = np.sort(random.permutation(baskets.height)[:MOST_BASKETS])
    asked = []
    for products in baskets["product_id"].gather(chosen).to_list():
        shown = int(random.integers(len(products)))
        asked.append((products[shown], products[:shown] + products[shown + 1 :]))
    return asked


def found(model: Neighbours, asked: list[tuple[int, list[int]]], count: int = SHOWN) -> dict[str, float]:
    """precision, recall and hit rate at `count`, and the share of the catalogue that was recommended at all."""
    hits, wanted, any_hit, seen = 0, 0, 0, set[int]()
    for shown, others in asked:
        places, *_ = model.best(model.places([shown]), count)
        seen.update(places)
        right = len(set(model.products[places].tolist()) & set(others))
        hits, wanted, any_hit = hits + right, wanted + len(others), any_hit + (right > 0)
    baskets = max(len(asked), 1)
    return {
        f"precision_{count}": hits / (baskets * count),
        f"recall_{count}": hits / max(wanted, 1),
        f"hit_rate_{count}": any_hit / baskets,
        "catalogue_share": len(seen) / max(len(model.products), 1),
    }


def popular_only(model: Neighbours) -> Neighbours:
    """The plain rule: what sold most, whatever is in the basket."""
    return Neighbours(model.products, np.full((len(model.products), 1), -1), np.zeros((len(model.products), 1)), model.popular)
