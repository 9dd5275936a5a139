"""One shop, told by its seed, scale and last day: everything that all its parts must agree on."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from lake.config import Settings
from lake.sandbox.shop import catalog, customers, demand
from lake.sandbox.shop.demand import Timeline


@dataclass(frozen=True)
class World:
    """The same for the same three numbers; made when asked for."""

    seed: int
    scale: int
    until: date

    @classmethod
    def of(cls, settings: Settings) -> "World":
        """The shop that the settings ask for; its last day is yesterday (UTC) unless they name one."""
        chosen = settings.sandbox
        return cls(chosen.seed, chosen.scale, chosen.until or datetime.now(UTC).date() - timedelta(days=1))

    @cached_property
    def timeline(self) -> Timeline:
        return Timeline.ending(self.until)

    @cached_property
    def catalog(self) -> catalog.Catalog:
        return catalog.make(self.seed, self.timeline)

    @cached_property
    def customers(self) -> customers.Customers:
        return customers.make(self.seed, self.timeline, self.scale)

    @cached_property
    def lines_per_weight(self) -> float:
        """Sales lines that one unit of demand's weight stands for."""
        return float(self.scale / demand.weights(self.timeline, self.timeline.days).sum())
