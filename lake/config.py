"""The one place where settings are read: `cartlake.toml`, then the environment.

`CARTLAKE_ENGINE__KIND=spark` overrides `kind` under `[engine]`. A wrong key or value is refused with the file (or variable),
the key and what was expected. Secrets are `${NAME}` references: they are resolved when used, and never printed.
"""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator

from lake.errors import UsageError

FILE = "cartlake.toml"
PREFIX = "CARTLAKE_"
# Variables with our prefix that are not settings: the file's place, the Makefile's cache, and the switches of lake/crash.py.
RESERVED = frozenset({"CARTLAKE_CONFIG", "CARTLAKE_CACHE", "CARTLAKE_CRASH", "CARTLAKE_CRASH_LEDGER"})
_REFERENCE = re.compile(r"\$\{(\w+)\}")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(%|[KMG]i?B)?", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])", re.IGNORECASE)
_UNITS = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


def machine_memory() -> int:
    """Bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _size(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if not found:
        raise ValueError("expected bytes, or a size such as 800MB, 2GiB or 40%")
    number, unit = float(found[1]), (found[2] or "").lower()
    return int(machine_memory() * number / 100) if unit == "%" else int(number * _UNITS[unit])


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value.strip())
    if not found:
        raise ValueError("expected a time such as 30s, 10m, 6h or 1d")
    return timedelta(seconds=float(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[found[2].lower()])


def _listed(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        near = difflib.get_close_matches(value, available_timezones(), 1)
        raise ValueError(f"expected a time zone such as {near[0] if near else 'Europe/Paris'}")
    return ZoneInfo(value).key


Bytes = Annotated[int, BeforeValidator(_size), Field(gt=0)]
Duration = Annotated[timedelta, BeforeValidator(_duration), Field(ge=timedelta(0))]
Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
TimeZone = Annotated[str, BeforeValidator(_time_zone)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Shop(_Section):
    time_zone: TimeZone = "UTC"


class Engine(_Section):
    kind: Literal["auto", "sail", "spark"] = "auto"
    memory: Bytes = Field("40%", validate_default=True)  # type: ignore[assignment]
    cores: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    master: str = ""
    remote: str = ""
    jars: Path | None = None


class Source(_Section):
    """`url` of files is a folder. `mode` and what follows it are MySQL's: see docs/capture.md."""

    kind: Literal["mysql", "mongodb", "files"]
    url: str
    time_zone: TimeZone = "UTC"
    tables: Listed = ()
    mode: Literal["auto", "cdc", "cursor", "snapshot"] = "auto"
    cursor: Listed = ()
    look_back: Duration = timedelta(minutes=10)
    compare_keys: Duration = timedelta(days=1)
    tls: Literal["auto", "off", "required", "verify"] = "auto"
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    format: Literal["auto", "csv", "ndjson", "combined"] = "auto"
    header: Literal["auto", "yes", "no"] = "auto"
    name: str = ""


class Capture(_Section):
    chunk_rows: int = Field(150_000, ge=1)
    batch_rows: int = Field(50_000, ge=1)
    batch_bytes: Bytes = 64 * 2**20
    retries: int = Field(3, ge=0)
    poll: Duration = timedelta(seconds=1)
    shrink: int = Field(80, ge=0, le=100)


class Warehouse(_Section):
    path: Path = Path("warehouse.duckdb")
    keep: int = Field(5, ge=1)
    retention_days: int = Field(7, ge=1)
    streams: Listed = ()


class Serve(_Section):
    host: str = "127.0.0.1"
    port: int = Field(9494, ge=1, le=65535)
    token: SecretStr = SecretStr("")
    query_seconds: float = Field(60, gt=0)
    query_memory: Bytes = 2**30
    queries: int = Field(4, ge=1)


class Dashboard(_Section):
    host: str = "127.0.0.1"
    port: int = Field(8501, ge=1, le=65535)
    token: SecretStr = SecretStr("")
    users: Path = Path("dashboard_users")
    late_after: Duration = timedelta(hours=26)


class Report(_Section):
    folder: Path = Path("reports")
    mail_to: Listed = ()
    mail_from: str = ""
    smtp: str = "cartlake"


class Ui(_Section):
    port: int = Field(4200, ge=1024, le=65535)
    url: str = ""


class Ml(_Section):
    tracking_uri: str = ""
    artifacts: Path = Path("mlflow/artifacts")
    horizon: int = Field(28, ge=1, le=366)
    train_every_days: int = Field(7, ge=1)
    keep: int = Field(10, ge=1)
    host: str = "127.0.0.1"
    port: int = Field(5001, ge=1, le=65535)


class Sandbox(_Section):
    scale: int = Field(200_000, ge=10_000, le=10_000_000)
    seed: int = 7
    until: date | None = None
    folder: Path = Path("sandbox")


class Settings(_Section):
    """Every setting, checked. Paths are absolute; those given as relative hang below `data`, and `data` below `home`."""

    home: Path
    data: Path = Path("data")
    shop: Shop = Shop()
    engine: Engine = Field(default_factory=Engine)
    sources: dict[str, Source] = {}
    capture: Capture = Capture()
    warehouse: Warehouse = Warehouse()
    ml: Ml = Ml()
    serve: Serve = Serve()
    dashboard: Dashboard = Dashboard()
    report: Report = Report()
    ui: Ui = Ui()
    sandbox: Sandbox = Sandbox()
    environment: Mapping[str, str] = Field(default={}, repr=False, exclude=True)
    origins: Mapping[str, str] = Field(default={}, repr=False, exclude=True)

    @field_validator("sources")
    @classmethod
    def _named(cls, sources: dict[str, Source]) -> dict[str, Source]:
        for name in sources:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or "__" in name:
                raise ValueError(f"[sources.{name}]: expected a name of small letters, digits and single underscores")
        return {name: source.model_copy(update={"name": name}) for name, source in sources.items()}

    def model_post_init(self, _: Any) -> None:
        data = self.home / self.data
        inner = {
            "data": data,
            "warehouse": self.warehouse.model_copy(update={"path": data / self.warehouse.path}),
            "dashboard": self.dashboard.model_copy(update={"users": data / self.dashboard.users}),
            "report": self.report.model_copy(update={"folder": data / self.report.folder}),
            "sandbox": self.sandbox.model_copy(update={"folder": data / self.sandbox.folder}),
            "ml": self.ml.model_copy(
                update={
                    "artifacts": data / self.ml.artifacts,
                    "tracking_uri": self.ml.tracking_uri or f"sqlite:///{data / 'mlflow' / 'mlflow.db'}",
                }
            ),
        }
        for key, value in inner.items():
            object.__setattr__(self, key, value)

    @property
    def lake_root(self) -> str:
        return str(self.data / "lake")

    @property
    def sandbox_state(self) -> Path:
        """The file that holds the sandbox's URLs while it runs."""
        return self.sandbox.folder / "state.json"

    @property
    def uses_sandbox(self) -> bool:
        """Whether some source's URL is left for the sandbox to fill in."""
        return any(not self.environment.get(name) for source in self.sources.values() for name in _REFERENCE.findall(source.url))

    @property
    def spark_jars(self) -> Path:
        """Folder of the Delta jars for Apache Spark, filled at set-up by scripts/fetch_jars.py."""
        return self.engine.jars or cache_folder(self.environment) / "spark-jars"

    def url(self, source: str) -> str:
        """The connection URL of a source with its secrets filled in. UsageError when a variable is set nowhere."""
        if source not in self.sources:
            raise UsageError(f"no source is named {source!r}; {FILE} has: {', '.join(self.sources) or 'none'}")
        return _REFERENCE.sub(lambda found: self._secret(found[1], source), self.sources[source].url)

    def _secret(self, name: str, source: str) -> str:
        if self.environment.get(name):
            return self.environment[name]
        if self.sandbox_state.exists():
            state = json.loads(self.sandbox_state.read_text())
            if name in state:
                return str(state[name])
        raise UsageError(
            f"source {source}: {name} is not set; set it to your server's URL, or start the sandbox: cartlake sandbox start"
        )


def cache_folder(env: Mapping[str, str]) -> Path:
    """Where set-up keeps what is fetched once for all checkouts: `CARTLAKE_CACHE`, else the user's cache folder."""
    if env.get("CARTLAKE_CACHE"):
        return Path(env["CARTLAKE_CACHE"])
    return Path(env.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cartlake"


def load(path: Path | None = None, env: Mapping[str, str] | None = None) -> Settings:
    """Read and check the settings. UsageError names the file or variable, the key, and what was expected."""
    env = dict(os.environ if env is None else env)
    path = path or _find(env)
    try:
        raw = tomllib.loads(path.read_text())
    except FileNotFoundError:
        raise UsageError(
            f"{path}: no such file; run cartlake in the project's folder, or name the file in CARTLAKE_CONFIG"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    origins = {key: str(path) for key, _ in _flat(raw)}
    for name in sorted(env):
        if name.startswith(PREFIX) and name not in RESERVED:
            key = name.removeprefix(PREFIX).lower().split("__")
            _set(raw, key, env[name], name)
            origins[".".join(key)] = name
    for internal in ("home", "environment", "origins"):
        if internal in raw:
            raise UsageError(f"{origins.get(internal, path)}: no setting is named {internal}")
    try:
        return Settings(home=path.resolve().parent, environment=env, origins=origins, **raw)
    except ValidationError as error:
        raise UsageError(_explain(error, origins, path)) from None


def describe(settings: Settings) -> list[tuple[str, str, str]]:
    """(key, value, origin) of every setting; a URL shows its references, never what they stand for, and no password."""
    shown = settings.model_dump(mode="json", exclude={"home"})
    rows = []
    for key, value in _flat(shown):
        if not key.startswith("sources.") or not key.endswith(".name"):
            rows.append((key, mask(str(value)), settings.origins.get(key, "default")))
    return rows


def mask(url: str) -> str:
    """A URL, or any text, with the password of a URL in it hidden."""
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def _find(env: Mapping[str, str]) -> Path:
    if env.get("CARTLAKE_CONFIG"):
        return Path(env["CARTLAKE_CONFIG"])
    here = Path.cwd()
    for folder in (here, *here.parents, Path(__file__).resolve().parent.parent):
        if (folder / FILE).exists():
            return folder / FILE
    return here / FILE


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _set(tree: dict[str, Any], key: list[str], value: str, variable: str) -> None:
    *parents, last = key
    for part in parents:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise UsageError(f"{variable}: {part} is a value, not a section")
    tree[last] = value


def _explain(error: ValidationError, origins: Mapping[str, str], path: Path) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    where = next((origin for name, origin in origins.items() if name == key or name.startswith(key + ".")), str(path))
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, _known_keys(), 1, cutoff=0.5)
        return f"{where}: no setting is named {key}" + (f"; did you mean {near[0]}?" if near else "")
    if first["type"] == "missing":
        return f"{path}: {key} is missing"
    return f"{where}: {key} = {first['input']!r}: {first['msg'].removeprefix('Value error, ')}"


def _known_keys() -> list[str]:
    keys = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        nested = isinstance(section, type) and issubclass(section, BaseModel)
        keys += [f"{name}.{inner}" for inner in section.model_fields] if nested else [name]  # type: ignore[union-attr]
    return [*keys, *(f"sources.{inner}" for inner in Source.model_fields)]
