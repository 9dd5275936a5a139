"""Going back: a kept release becomes the newest again, as a release of its own, so that no reader sees the numbers go down."""

from lake.config import Settings
from lake.crash import crash_point
from lake.errors import UsageError
from lake.lock import hold
from warehouse import duck, release
from warehouse.clones.shelf import releases_in_use
from warehouse.describe import literal
from warehouse.files import Shelf
from warehouse.publish import WAIT_SECONDS, translated_for


def rollback(settings: Settings, number: int, run: str | None = None) -> int:
    """Serve the content of kept release `number` as a new release; returns that one's number.

    The lake stays as it is, so the next publish brings the lake's present state again. UsageError when the release is not
    kept or is the newest; a kill at any instant leaves one whole release, as with a publish.
    """
    shelf = Shelf.of(settings)
    with hold(settings.data, "publish", wait=WAIT_SECONDS):
        kept = shelf.numbers()
        chosen = release.choose(settings, number)
        if chosen.number == kept[-1]:
            raise UsageError(f"release {number} is the newest one; there is nothing to go back from")
        with translated_for(shelf, kept[-1], "rollback"):
            shelf.clean()
            new = kept[-1] + 1
            try:
                shelf.start(chosen.number)
                engine = settings.engine
                with duck.open_database(shelf.building, memory=engine.memory, threads=engine.cores) as connection:
                    connection.execute(f"ATTACH {literal(str(shelf.file(kept[-1])))} AS previous (READ_ONLY)")
                    release.record_rollback(connection, chosen, new, run)
                    connection.execute("DETACH previous; CHECKPOINT")
                crash_point("rollback.recorded")
                shelf.finish(new)
            except BaseException:
                shelf.give_up()
                raise
            shelf.keep(settings.warehouse.keep, releases_in_use(settings))
    return new
