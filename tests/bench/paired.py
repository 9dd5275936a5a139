"""Ratios of runs made side by side: the median, and the interval it lies in with 90 % confidence; and the table of them."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.9


@dataclass(frozen=True)
class Ratio:
    """`low` and `high` bound the median; with fewer than five rounds they are the extremes, and bound less."""

    median: float
    low: float
    high: float

    def beyond(self, bound: float) -> bool:
        """Whether the whole interval lies above a bound: what is within the noise does not count as missed."""
        return self.low > bound

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Ratio:
    """The ratio of each round's two runs. The interval is that of the sign test: order statistics of the ratios."""
    ratios = sorted(one / other for one, other in zip(ours, theirs, strict=True))
    place = _rank(len(ratios))
    return Ratio(statistics.median(ratios), ratios[place], ratios[len(ratios) - 1 - place])


def _rank(count: int) -> int:
    """The highest k such that the k-th smallest and k-th largest of `count` values enclose the median with 90 % confidence."""
    below, rank = 0.0, 0
    for k in range((count - 1) // 2 + 1):
        below += math.comb(count, k) / 2**count
        if 1 - 2 * below < CONFIDENCE:
            break
        rank = k + 1
    return min(rank, (count - 1) // 2)


@dataclass(frozen=True)
class Verdict:
    """A row of a benchmark's table. Without a `must` the figure is only reported."""

    what: str
    found: str
    must: str
    missed: bool


def show(verdicts: Sequence[Verdict]) -> None:
    """Print the table of what was found beside what must be."""
    print("\n| | found | must | |\n|---|---|---|---|")
    for verdict in verdicts:
        kept = "" if not verdict.must else "MISSED" if verdict.missed else "kept"
        print(f"| {verdict.what} | {verdict.found} | {verdict.must} | {kept} |", flush=True)
