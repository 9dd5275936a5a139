"""Recommendations as they are answered: for each product its neighbours with a score, and what sells best where they run out."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
SHOWN = 10


@dataclass(frozen=True)
class Neighbours:
    """`products` are the shop's numbers, in order; `near[i]` are positions of up to N others (-1: none), the best first.

    `popular` are positions, what sold most first. Products that are no longer sold are in `products`, but nobody's neighbours.
    """

    products: Ints
    near: Ints
    score: Floats
    popular: Ints

    def places(self, products: Iterable[int]) -> list[int]:
        """Positions of the products that are known."""
        asked = np.fromiter(products, dtype=np.int64)
        place = np.searchsorted(self.products, asked).clip(max=max(0, len(self.products) - 1))
        return [int(p) for p, number in zip(place, asked, strict=True) if len(self.products) and self.products[p] == number]

    def best(self, places: list[int], count: int = SHOWN) -> tuple[list[int], list[float], list[int]]:
        """Positions of what goes best with a basket, their scores, and the place in the basket that spoke for each (-1: popular).

        The score of a product is the sum of what the basket's products give it; what is in the basket is not recommended.
        """
        total: dict[int, float] = {}
        most: dict[int, tuple[float, int]] = {}
        inside = set(places)
        for place in dict.fromkeys(places):
            for other, score in zip(self.near[place].tolist(), self.score[place].tolist(), strict=True):
                if other < 0 or other in inside:
                    continue
                total[other] = total.get(other, 0.0) + score
                if score > most.get(other, (-np.inf, 0))[0]:
                    most[other] = score, place
        ranked = sorted(total, key=lambda other: (-total[other], other))[:count]
        chosen = set(ranked)
        others = (p for p in self.popular.tolist() if p not in inside and p not in chosen)
        filled = list(islice(others, count - len(ranked)))
        return (
            ranked + filled,
            [total[p] for p in ranked] + [0.0] * len(filled),
            [most[p][1] for p in ranked] + [-1] * len(filled),
        )

    def predict(self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """`product_ids` and `scores`, JSON lists of ten, for each row's `products`: the basket as a JSON list, '[17, 4]'.

        Products that are not known are passed over. ValueError names the column when it is missing or no such list.
        """
        if "products" not in model_input.columns:
            raise ValueError("column 'products' is missing")
        rows = []
        for text in model_input["products"]:
            found, scores, _ = self.best(self.places(_numbers(text)))
            rows.append((json.dumps(self.products[found].tolist()), json.dumps(scores)))
        return pd.DataFrame(rows, columns=["product_ids", "scores"], index=model_input.index)

    def save(self, folder: Path) -> None:
        """One file of arrays."""
        np.savez_compressed(
            folder / "neighbours.npz", products=self.products, near=self.near, score=self.score, popular=self.popular
        )


def _numbers(text: Any) -> list[int]:
    try:
        found = json.loads(text) if isinstance(text, str) else text
        return [int(number) for number in found]
    except (TypeError, ValueError):
        raise ValueError(f"column 'products': expected a list of product numbers such as '[17, 4]', found {text!r}") from None


def _load_pyfunc(path: str) -> Neighbours:
    with np.load(Path(path) / "neighbours.npz") as raw:
        return Neighbours(raw["products"], raw["near"], raw["score"], raw["popular"])
