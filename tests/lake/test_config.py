"""A wrong key or value is refused with where it stands, what it is, and what was expected."""

from pathlib import Path

import pytest

from lake.config import describe, load
from lake.errors import UsageError

MINIMAL = """
[sources.shop]
kind = "mysql"
url = "${MYSQL_URL}"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cartlake.toml"
    path.write_text(MINIMAL)
    return path


def test_the_environment_overrides_the_file(file: Path) -> None:
    file.write_text(MINIMAL + "[engine]\nkind = 'sail'\nmemory = '1GiB'\n")
    settings = load(file, {"CARTLAKE_ENGINE__KIND": "spark"})
    assert settings.engine.kind == "spark"
    assert settings.engine.memory == 2**30
    assert ("engine.kind", "spark", "CARTLAKE_ENGINE__KIND") in describe(settings)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"CARTLAKE_ENGIN__KIND": "spark"}, "CARTLAKE_ENGIN__KIND: no setting is named engin; did you mean engine.kind?"),
        ({"CARTLAKE_ENGINE__KIND": "spork"}, "CARTLAKE_ENGINE__KIND: engine.kind = 'spork': Input should be 'auto', 'sail' or"),
        ({"CARTLAKE_ENGINE__MEMORY": "lots"}, "expected bytes, or a size such as 800MB, 2GiB or 40%"),
        ({"CARTLAKE_SHOP__TIME_ZONE": "Europe/Pariss"}, "expected a time zone such as Europe/Paris"),
        ({"CARTLAKE_WAREHOUSE__KEEP": "0"}, "greater than or equal to 1"),
        ({"CARTLAKE_DATA__X": "1", "CARTLAKE_DATA": "d"}, "data is a value, not a section"),
        ({"CARTLAKE_HOME": "/x"}, "CARTLAKE_HOME: no setting is named home"),
    ],
)
def test_a_wrong_variable_is_refused_by_name(file: Path, env: dict[str, str], expected: str) -> None:
    with pytest.raises(UsageError) as failure:
        load(file, env)
    assert expected in str(failure.value)


def test_a_wrong_key_in_the_file_names_the_file(file: Path) -> None:
    file.write_text(MINIMAL + "[warehouse]\nkept = 3\n")
    with pytest.raises(UsageError, match=r"cartlake\.toml: no setting is named warehouse\.kept; did you mean warehouse\.keep"):
        load(file, {})


def test_a_missing_file_says_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CARTLAKE_CONFIG"):
        load(tmp_path / "none.toml", {})


def test_a_url_is_filled_in_when_used_and_never_shown(file: Path) -> None:
    env = {"MYSQL_URL": "mysql://me:secret@host/db"}
    settings = load(file, env)
    assert settings.url("shop") == env["MYSQL_URL"]
    assert "secret" not in repr(settings)
    assert "secret" not in str(describe(settings))
    assert not settings.uses_sandbox


def test_a_password_written_into_the_file_is_masked(file: Path) -> None:
    file.write_text(MINIMAL.replace("${MYSQL_URL}", "mysql://me:secret@host/db"))
    assert ("sources.shop.url", "mysql://me:***@host/db", str(file)) in describe(load(file, {}))


def test_an_unset_url_without_a_sandbox_says_what_to_do(file: Path) -> None:
    settings = load(file, {})
    assert settings.uses_sandbox
    with pytest.raises(UsageError, match=r"MYSQL_URL is not set; .* cartlake sandbox start"):
        settings.url("shop")


def test_the_project_s_own_file_is_right() -> None:
    settings = load(Path(__file__).parents[2] / "cartlake.toml", {})
    assert set(settings.sources) == {"shop", "catalog", "weblog"}
