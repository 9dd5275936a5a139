"""Fetching jars: once, whole or not at all, and only the files that were tested."""

import hashlib
import importlib.util
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fetch_jars.py"


@pytest.fixture
def script():
    spec = importlib.util.spec_from_file_location("fetch_jars", _SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _serve(monkeypatch, script, files):
    """Stands for the network: what it would have brought."""

    def download(coordinates, temporary):
        (temporary / "jars").mkdir()
        for coordinate in coordinates:
            (temporary / "jars" / f"{coordinate.split(':')[1]}-1.jar").write_bytes(files[coordinate])

    monkeypatch.setattr(script, "_download", download)


def test_only_what_is_missing_is_downloaded(script, monkeypatch, tmp_path):
    wanted = {"g:a:1": hashlib.sha256(b"a").hexdigest(), "g:b:1": ""}
    (tmp_path / "b-1.jar").write_bytes(b"there already")
    _serve(monkeypatch, script, {"g:a:1": b"a"})

    jars = script.fetch(wanted, tmp_path)

    assert [jar.read_bytes() for jar in jars] == [b"a", b"there already"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.jar", "b-1.jar"]
    monkeypatch.setattr(script, "_download", None)  # a second call does not touch the network
    assert script.fetch(wanted, tmp_path) == jars


def test_a_file_that_is_not_the_tested_one_is_refused_and_not_kept(script, monkeypatch, tmp_path):
    _serve(monkeypatch, script, {"g:a:1": b"something else"})
    with pytest.raises(SystemExit, match="g:a:1 is not the file that was tested"):
        script.fetch({"g:a:1": hashlib.sha256(b"a").hexdigest()}, tmp_path)
    assert not any(tmp_path.iterdir())


def test_every_artifact_of_ours_has_its_checksum(script):
    assert len(script.DELTA) == 9
    assert all(len(checksum) == 64 for checksum in (script.DELTA | script.MARIADB).values())
