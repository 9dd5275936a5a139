"""Stages `star` and `publish`: what a release costs to ask and to make."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import duckdb
import warehouse_rows as star  # type: ignore[import-not-found]
from paired import Verdict, paired  # type: ignore[import-not-found]
from warehouse_sides import Side, Took, apart, side  # type: ignore[import-not-found]

from lake.config import Settings, load
from lake.delta import Lake
from warehouse import duck, query
from warehouse.describe import literal, pin
from warehouse.files import Shelf
from warehouse.publish import make_release

BLOAT_ROWS, PUBLISHES = 2_000_000, 50


def new_home(folder: Path, toml: str = "") -> Settings:
    """The settings of a fresh data folder."""
    folder.mkdir(parents=True)
    (folder / "cartlake.toml").write_text(f'data = "data"\n{toml}')
    return load(folder / "cartlake.toml", {})


def publish(settings: Settings, lake_root: str) -> int | None:
    """A release of the star in `lake_root`, in the data folder of `settings`."""
    lake = Lake(lake_root)
    settings.data.mkdir(parents=True, exist_ok=True)
    release: int | None = make_release(settings, lake, pin(lake, star.tables())).release
    return release


def open_release(settings: Settings) -> duckdb.DuckDBPyConnection:
    return query.connect(settings, live=False)


def open_file(settings: Settings, file: Path) -> duckdb.DuckDBPyConnection:
    """Tables made by hand, with the settings and in the way a release is opened."""
    connection = duck.open_database(None, memory=settings.engine.memory, threads=settings.engine.cores)
    connection.execute(f"ATTACH {literal(str(file))} AS byhand (READ_ONLY); SET search_path = 'byhand.gold'")
    return connection


def open_delta(settings: Settings) -> duckdb.DuckDBPyConnection:
    connection = duck.open_database(None, memory=settings.engine.memory, threads=settings.engine.cores)
    duck.load_delta(connection)
    for name in star.KEYS:
        path = literal(Lake(settings.lake_root).path(name))
        connection.execute(f"CREATE VIEW {name.split('.')[1]} AS FROM delta_scan({path})")
    return connection


def queries(home: Path, rows: int, rounds: int) -> list[Verdict]:
    """The eight queries, warm, on a release, on tables made by hand and on `delta_scan`, which take turns."""
    settings = new_home(home)
    star.make_lake(settings, rows)
    made = apart(publish, settings, settings.lake_root)
    by_hand = home / "byhand.duckdb"
    with duck.open_database(by_hand, memory=settings.engine.memory, threads=settings.engine.cores) as connection:
        star.make_by_hand(connection, rows)
    with (
        side(open_release, settings) as ours,
        side(open_file, settings, by_hand) as hand,
        side(open_delta, settings) as delta,
    ):
        return [_made(made), *_compare({"ours": ours, "hand": hand, "delta": delta}, rounds)]


def _made(made: Took) -> Verdict:
    found = f"{made.wall:.1f} s, CPU {made.cpu:.1f} s, peak {made.peak / 2**30:.2f} GiB"
    return Verdict("star: the first release", found, "", False)


def _compare(sides: dict[str, Side], rounds: int) -> list[Verdict]:
    names = list(sides)
    took: dict[str, dict[str, list[Took]]] = {name: {asked: [] for asked in star.QUERIES} for name in names}
    differ = []
    for number in range(rounds + 1):
        for place, (asked, sql) in enumerate(star.QUERIES.items()):
            turn = (number + place) % len(names)
            for name in names[turn:] + names[:turn]:
                found = sides[name].ask(sql)
                took[name][asked].append(found)
            if len({repr(took[name][asked][-1].value) for name in names}) > 1 or not found.value:
                differ.append(asked)
    verdicts = [Verdict("star: answers", ", ".join(sorted(set(differ))) or "equal", "equal in all three", bool(differ))]
    for other, must in (("hand", 1.05), ("delta", 0.5)):
        who = {"hand": "tables made by hand", "delta": "delta_scan"}[other]
        for kind in ("wall", "cpu"):
            ratio = paired(_sums(took["ours"], kind), _sums(took[other], kind))
            bound = f"<= {must}" if kind == "wall" else ""
            verdicts.append(
                Verdict(f"star: eight queries, {kind}, x {who}", str(ratio), bound, bool(bound) and ratio.beyond(must))
            )
    for asked in star.QUERIES:
        mine = [one.wall for one in took["ours"][asked][1:]]
        ratios = [paired(mine, [one.wall for one in took[other][asked][1:]]) for other in ("hand", "delta")]
        found = f"{1000 * sorted(mine)[len(mine) // 2]:.1f} ms; {ratios[0]}; {ratios[1]}"
        verdicts.append(Verdict(f"star: {asked}; x by hand; x delta_scan", found, "", False))
    peaks = {name: max(one.peak for kept in took[name].values() for one in kept) for name in names}
    verdicts.append(Verdict("star: peak memory", ", ".join(f"{n} {p / 2**30:.2f} GiB" for n, p in peaks.items()), "", False))
    return verdicts


def _sums(took: dict[str, list[Took]], kind: str) -> list[float]:
    """Each round's eight queries together, without the round that warmed up."""
    return [sum(getattr(one, kind) for one in turn) for turn in list(zip(*took.values(), strict=True))[1:]]


def publishes(home: Path, rows: int, rounds: int) -> list[Verdict]:
    """After 1 % changed, beside a full publish of the same versions into an empty folder."""
    settings = new_home(home)
    star.make_lake(settings, rows)
    publish(settings, settings.lake_root)
    part, whole = [], []
    for number in range(1, rounds + 1):
        star.change(settings, rows, number)
        empty = new_home(home / f"whole-{number}")
        runs = [(part, settings), (whole, empty)]
        for kept, where in runs if number % 2 else reversed(runs):
            kept.append(apart(publish, where, settings.lake_root))
        shutil.rmtree(empty.home)
    ratio = paired([one.wall for one in part], [one.wall for one in whole])
    cpu = paired([one.cpu for one in part], [one.cpu for one in whole])
    seconds = sorted(one.wall for one in part)[len(part) // 2]
    peaks = " and ".join(f"{max(one.peak for one in kept) / 2**30:.2f} GiB" for kept in (part, whole))
    return [
        Verdict(f"publish after 1 % changed ({seconds:.2f} s), wall, x a full one", str(ratio), "<= 0.6", ratio.beyond(0.6)),
        Verdict("publish after 1 % changed, CPU, x a full one", str(cpu), "", False),
        Verdict("publish, peak memory, changed and full", peaks, "", False),
    ]


def bloat(home: Path, rows: int, times: int) -> list[Verdict]:
    """The file after so many publishes of 1 %, beside a fresh one of the same versions; and whether both hold the same."""
    settings = new_home(home)
    star.make_lake(settings, rows)
    publish(settings, settings.lake_root)
    largest = 0
    for number in range(1, times + 1):
        star.change(settings, rows, number)
        publish(settings, settings.lake_root)
        largest = max(largest, settings.warehouse.path.stat().st_size)
    fresh = new_home(home / "fresh")
    publish(fresh, settings.lake_root)
    sizes = [_newest(where).stat().st_size for where in (settings, fresh)]
    found, worst = sizes[0] / sizes[1], largest / sizes[1]
    same = len({repr(_content(where)) for where in (settings, fresh)}) == 1
    return [
        Verdict(f"file after {times} publishes of 1 % of {rows:,} rows, x a fresh one", f"{found:.2f}", "<= 1.3", found > 1.3),
        Verdict("the largest of those files, x a fresh one", f"{worst:.2f}", "<= 1.3", worst > 1.3),
        Verdict("content after those publishes", "as a fresh one's" if same else "differs", "as a fresh one's", not same),
    ]


def _newest(settings: Settings) -> Path:
    shelf = Shelf.of(settings)
    file: Path = shelf.file(shelf.numbers()[-1])
    return file


def _content(settings: Settings) -> Sequence[object]:
    with open_release(settings) as connection:
        return [connection.execute(f"SELECT count(*), sum(hash(t)::hugeint) FROM {name} t").fetchall() for name in star.KEYS]
