"""The command line: one clear line and an exit status for what cannot be, and the docs know every command."""

import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import cartlake
from lake.config import Settings

ROOT = Path(__file__).parent.parent


@pytest.fixture
def call(make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command on settings of its own, with environment variables as keywords."""

    def run(*arguments: str, **env: str) -> Result:
        monkeypatch.setenv("CARTLAKE_CONFIG", str(make_settings().home / "cartlake.toml"))
        return CliRunner().invoke(cartlake.main, arguments, env=env)

    return run


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refusal(result: Result) -> str:
    """The one line on stderr of a command that failed."""
    assert result.exit_code in (1, 2), result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.output
    return lines[0]


def test_a_wrong_setting_is_refused_with_its_name(call: Callable[..., Result]) -> None:
    assert "CARTLAKE_ENGINE__KIND: engine.kind = 'spork'" in refusal(call("config", CARTLAKE_ENGINE__KIND="spork"))


def test_config_shows_values_and_origins_but_no_password(call: Callable[..., Result]) -> None:
    result = call("config", CARTLAKE_SOURCES__SHOP__URL="mysql://me:secret@host/db", CARTLAKE_UI__PORT="4321")
    assert result.exit_code == 0
    assert "secret" not in result.output
    assert re.search(r"ui\.port.*4321.*CARTLAKE_UI__PORT", result.output)


@pytest.mark.parametrize("url", ["mysql://me:secret@127.0.0.1:{port}/db", "mongodb://127.0.0.1:{port}/db"])
def test_an_unreachable_source_says_where_and_keeps_the_secret(call: Callable[..., Result], url: str) -> None:
    port = free_port()
    kind = url.split(":")[0]
    env = {"MYSQL_URL": url.format(port=port), "MONGO_URL": url.format(port=port)}
    source = "shop" if kind == "mysql" else "catalog"
    line = refusal(call("capture", "--source", source, **env))
    assert str(port) in line
    assert "secret" not in line


def test_a_wrong_password_is_told_from_an_unreachable_server(call: Callable[..., Result], servers: Any) -> None:
    wrong = re.sub(r":[^:@/]+@", ":wrong@", servers.url_of("mysql"))
    line = refusal(call("capture", "--source", "shop", MYSQL_URL=wrong, MONGO_URL=servers.mongo_url))
    assert "password" in line.lower()
    assert "wrong" not in line.replace("wrong password", "").replace("wrong user or password", "")


def test_a_missing_table_is_named(call: Callable[..., Result]) -> None:
    assert "no table is named nothing" in refusal(call("build", "--plan", "nothing"))


def test_sql_before_the_first_release_says_how_to_make_one(call: Callable[..., Result]) -> None:
    assert "cartlake run publish" in refusal(call("sql", "select 1"))


def test_a_port_in_use_is_refused_with_the_way_out(call: Callable[..., Result], servers: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        env = {"CARTLAKE_UI__PORT": str(port), "MYSQL_URL": servers.mysql_url, "MONGO_URL": servers.mongo_url}
        line = refusal(call("up", **env))
    assert f"port {port} is in use" in line
    assert "CARTLAKE_UI__PORT" in line


def test_trade_wants_one_of_days_and_rate(call: Callable[..., Result]) -> None:
    assert "one of --days N and --rate R" in refusal(call("shop", "trade"))


def test_the_plan_of_an_empty_lake_names_what_was_never_captured(call: Callable[..., Result]) -> None:
    result = call("build", "--plan")
    assert result.exit_code == 0
    assert "bronze.shop.softcart.sales_data was never captured" in result.output


def commands(group: click.Group, prefix: str = "cartlake") -> list[str]:
    found = []
    for name, command in group.commands.items():
        found += commands(command, f"{prefix} {name}") if isinstance(command, click.Group) else [f"{prefix} {name}"]
    return found


def test_the_reference_knows_every_command_and_no_other() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    assert sorted(re.findall(r"^## `(cartlake [a-z -]+)`$", text, flags=re.M)) == sorted(commands(cartlake.main))


@pytest.mark.parametrize("command", commands(cartlake.main))
def test_each_command_says_what_it_does(command: str) -> None:
    result = CliRunner().invoke(cartlake.main, [*command.split()[1:], "--help"])
    assert result.exit_code == 0
    assert len(result.output.splitlines()[2].strip()) > 20
