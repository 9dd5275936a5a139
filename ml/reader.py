"""Gold as a model reads it: at pinned Delta versions."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from lake.errors import PermanentFailure
from ml.errors import TooLittleData

if TYPE_CHECKING:
    import polars as pl

    from lake.delta import Lake


class Gold:
    """Tables at the versions that hold now, or at recorded ones. Fulfils ml.model.Reader."""

    def __init__(self, lake: "Lake", names: Iterable[str], versions: Mapping[str, int] | None = None) -> None:
        self._lake = lake
        self.versions: Mapping[str, int] = (
            dict(versions) if versions is not None else {name: lake.version(name) for name in names if lake.exists(name)}
        )

    def table(self, name: str, columns: list[str] | None = None) -> "pl.DataFrame":
        """The rows of a table, decimals and all. TooLittleData where it is not built."""
        import polars as pl

        if name not in self.versions:
            raise TooLittleData(f"{name} is not built yet, so there is nothing to learn from: capture sales and build first")
        there = self._lake.schema(name, self.versions[name]).names
        missing = [column for column in columns or () if column not in there]
        if missing:
            raise PermanentFailure(f"{name} has no column {missing[0]!r} yet: it was built by older code; run cartlake build")
        return pl.DataFrame(pl.from_arrow(self._lake.read(name, self.versions[name], columns=columns)))
