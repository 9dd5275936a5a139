"""What tests share: settings with a data folder of their own, and the sandbox's servers, started once for the whole suite."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lake.config import Settings, load
from lake.sandbox import Sandbox, running, stop
from lake.sandbox.mariadb import connect

REPOSITORY = Path(__file__).resolve().parent.parent
_names = itertools.count(1)


@pytest.fixture(scope="session")
def make_settings(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """Settings of the project's own cartlake.toml with a fresh data folder; keyword arguments are environment variables."""

    def make(home: Path | None = None, env: Mapping[str, str] | None = None, **more: str) -> Settings:
        return _settings(home or tmp_path_factory.mktemp("cartlake"), {**(env or {}), **more})

    return make


@dataclass(frozen=True)
class Servers:
    """MariaDB and the MongoDB stand-in. The pipeline's account may read only the databases made by `new_database`."""

    settings: Settings
    sandbox: Sandbox
    made: list[str] = field(default_factory=list)

    @property
    def mysql_admin_url(self) -> str:
        return self.sandbox.mysql.url("root", "")

    @property
    def mysql_url(self) -> str:
        return self.sandbox.mysql_url

    @property
    def mongo_url(self) -> str:
        return self.sandbox.mongo_url

    def new_name(self, prefix: str = "test") -> str:
        """A database name that no other test has."""
        return f"{prefix}_{next(_names)}"

    def new_database(self, prefix: str = "test") -> str:
        """A fresh, empty MySQL database that the pipeline's account may read."""
        name = self.new_name(prefix)
        self.execute(f"CREATE DATABASE `{name}`", f"GRANT SELECT ON `{name}`.* TO cartlake@'127.0.0.1'")
        self.made.append(name)
        return name

    def url_of(self, database: str, account: str = "cartlake") -> str:
        """MySQL URL of a database: `cartlake` (least rights) or `root`."""
        return self.sandbox.mysql.url(account, database)

    def mongo_url_of(self, database: str) -> str:
        return self.sandbox.mongo.url(database)

    def execute(self, *statements: str, database: str = "", args: Any = None) -> list[tuple[Any, ...]]:
        """Run statements as the administrator, each committed; the rows of the last one."""
        rows: list[tuple[Any, ...]] = []
        url = self.sandbox.mysql.url("root", database)
        with closing(connect(url, autocommit=True)) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, args)
                rows = list(cursor.fetchall())
        return rows


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Both servers, once for the whole suite, in a folder of this process that goes at its end."""
    root = Path(tempfile.gettempdir())
    for old in root.glob("cartlake-tests-*"):
        _remove_if_abandoned(old)
    home = root / f"cartlake-tests-{os.getpid()}"
    home.mkdir(mode=0o700)
    settings = _settings(home, {})
    try:
        with running(settings) as sandbox:
            yield Servers(settings, sandbox)
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def small_shop(make_settings: Callable[..., Settings]) -> Iterator[Settings]:
    """A shop of 10,000 sale lines with servers of its own, a fixed seed and last day; captured, built and published."""
    from lake.capture import capture
    from lake.sandbox import shop
    from transforms.build import build
    from warehouse.publish import publish

    made = make_settings()
    changed = made.sandbox.model_copy(update={"scale": 10_000, "seed": 3, "until": date(2026, 10, 31)})
    settings = made.model_copy(update={"sandbox": changed})
    with running(settings):
        shop.create(settings)
        assert capture(settings).errors == {}
        assert build(settings).errors == {}
        publish(settings)
        yield settings


@pytest.fixture(scope="session")
def trained_shop(small_shop: Settings) -> Settings:
    """The small shop with all four models trained, scored and published."""
    from flows.steps import STEPS, silent

    for step in ("train", "score", "publish"):
        assert STEPS[step](small_shop, silent).errors == {}, step
    return small_shop


def _remove_if_abandoned(home: Path) -> None:
    """What a killed test run left: its servers would run for ever."""
    if home.stat().st_uid == os.getuid() and not Path(f"/proc/{home.name.rpartition('-')[2]}").exists():
        stop(_settings(home, {}))
        shutil.rmtree(home, ignore_errors=True)


def _settings(home: Path, env: Mapping[str, str]) -> Settings:
    home.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "cartlake.toml", home)
    return load(home / "cartlake.toml", env)
