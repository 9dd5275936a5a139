"""The rules of the house: imports point one way, names are ours alone, no file knows a machine or a registry."""

import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("flows", "lake", "transforms", "warehouse", "ml")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_imports_point_one_way() -> None:
    done = subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_no_dependency_ships_a_top_level_name_of_ours() -> None:
    # A folder without __init__.py hides nothing: Python merges it with ours (adagio leaves a `tests/shells` behind).
    ours = {f"{name}{ending}" for name in (*PACKAGES, "cartlake", "tests") for ending in (".py", "/__init__.py")}
    for distribution in distributions():
        if distribution.metadata["Name"] != "cartlake":
            shipped = {file.as_posix() for file in distribution.files or ()}
            assert not shipped & ours, f"{distribution.metadata['Name']} ships {shipped & ours}"


@pytest.mark.parametrize("file", ["requirements.lock", "requirements-dev.lock", "requirements-jdk.lock"])
def test_a_lock_pins_every_package_with_hashes_and_names_no_index(file: str) -> None:
    text = (ROOT / file).read_text()
    assert "://" not in text
    assert "--index-url" not in text.replace("--no-emit-index-url", "")
    pins = re.split(r"\n(?=\w)", re.sub(r"^#.*\n", "", text, flags=re.M))
    unhashed = [pin.splitlines()[0] for pin in pins if pin.strip() and "--hash=sha256:" not in pin]
    assert unhashed == []


def test_no_file_knows_a_machine_or_a_registry() -> None:
    hosts = re.compile(
        r"(?:py" + r"pi|np" + r"mjs|cra" + r"tes|mav" + r"en)\.(?:org|io)|/wo" + r"rk/|/ro" + r"ot/|/ho" + r"me/\w"
    )
    found = [file.relative_to(ROOT) for file in tracked() if hosts.search(file.read_text(errors="replace"))]
    assert found == []


def test_every_make_target_has_its_line_of_help() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = next(line for line in text.splitlines() if line.startswith(".PHONY:")).split()[1:]
    described = re.findall(r"^([a-z-]+):.*## ", text, flags=re.M)
    assert sorted(phony) == sorted(described)
