import json
import threading
from pathlib import Path

import pytest

from lake.errors import PermanentFailure, UsageError
from warehouse.dashboard import views


def test_a_view_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    file = tmp_path / "views.json"
    assert views.read(file) == {}
    views.save(file, " Toys in France ", {"metrics": ["revenue"], "country": ["France"]})
    views.save(file, "Orders", {"metrics": ["orders"]})
    views.save(file, "Orders", {"metrics": ["orders"], "grain": "month"})
    assert views.read(file) == {
        "Toys in France": {"metrics": ["revenue"], "country": ["France"]},
        "Orders": {"metrics": ["orders"], "grain": "month"},
    }
    views.remove(file, "Orders")
    views.remove(file, "Orders")
    assert list(views.read(file)) == ["Toys in France"]


def test_people_who_save_at_once_lose_nothing(tmp_path: Path) -> None:
    file = tmp_path / "views.json"
    threads = [threading.Thread(target=views.save, args=(file, f"view {number}", {"number": number})) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(views.read(file)) == 20


@pytest.mark.parametrize("broken", ["{", "[]", '{"a": 1}', ""])
def test_a_broken_file_is_told_and_left_alone(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "views.json"
    file.write_text(broken)
    for act in (lambda: views.read(file), lambda: views.save(file, "a", {}), lambda: views.remove(file, "a")):
        with pytest.raises(PermanentFailure, match="is not as it was written"):
            act()
    assert file.read_text() == broken


@pytest.mark.parametrize("name", ["", "   ", "x" * 81])
def test_a_view_has_a_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="a view has a name"):
        views.save(tmp_path / "views.json", name, {})
    assert not (tmp_path / "views.json").exists()


def test_a_kill_while_saving_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "views.json"
    views.save(file, "a", {"metrics": ["revenue"]})
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        views.save(file, "b", {})
    assert list(json.loads(file.read_text())) == ["a"]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(PermanentFailure, match="cannot be written"):
        views.save(tmp_path / "nowhere" / "views.json", "a", {})
    (tmp_path / "views.json").mkdir()
    with pytest.raises(PermanentFailure, match="cannot be read"):
        views.read(tmp_path / "views.json")


def test_nothing_is_left_beside_the_file_when_saving_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(PermanentFailure, match="No space left on device"):
        views.save(tmp_path / "views.json", "a", {})
    assert [path.name for path in tmp_path.iterdir()] == [".views.json.lock"]
