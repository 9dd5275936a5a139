"""Champions over HTTP: MLflow's protocol, a swap under load, and refusals that name the field. The models are small and real."""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import mlflow
import numpy as np
import pandas as pd
import pytest
import uvicorn
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mlflow.models import infer_signature
from mlflow.models.utils import _enforce_schema
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, Schema
from starlette.testclient import TestClient

from lake.config import Settings
from lake.errors import UsageError
from ml.customers.features import NUMERIC
from ml.life import registry, store
from ml.repeat.served import Linear, RepeatPurchase
from ml.serving import champions as following
from ml.serving.app import MOST_BYTES, App
from ml.serving.champions import Champions
from ml.serving.loaded import KINDS, Loaded

NAME = "repeat_purchase"
ROW = dict.fromkeys(NUMERIC, 3.0)


def add(settings: Settings, intercept: float, alias: str = registry.CHAMPION) -> int:
    """Log and register a model whose answers follow the intercept."""
    client = store.connect(settings.ml.tracking_uri, settings.ml.artifacts)
    served = RepeatPurchase(Linear(np.zeros(len(NUMERIC)), intercept), 1.0, 0.0)
    folder = settings.data / f"served-{intercept}"
    folder.mkdir(parents=True)
    served.save(folder)
    example = pd.DataFrame([ROW])
    with mlflow.start_run(experiment_id=store.experiment(client, NAME, settings.ml.artifacts)) as run:
        made = mlflow.pyfunc.log_model(
            artifact_path="model",
            loader_module="ml.repeat.served",
            data_path=str(folder),
            signature=infer_signature(example, served.predict(example)),
            pip_requirements=["numpy"],
        )
    return registry.register(client, NAME, "words", run.info.run_id, made.model_uri, alias, "because")


@dataclass
class Server:
    settings: Settings
    champions: Champions
    port: int

    def ask(self, body: object, path: str = "/invocations", kind: str = "application/json") -> tuple[int, Any, str | None]:
        """Status, body and version of an invocation."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request("POST", path, text, {"content-type": kind})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        try:
            return answer.status, json.loads(said), answer.getheader("x-model-version")
        except json.JSONDecodeError:
            return answer.status, said.decode(), answer.getheader("x-model-version")


@contextmanager
def serving(settings: Settings) -> Iterator[Server]:
    champions = Champions(settings, None)
    server = uvicorn.Server(uvicorn.Config(App(champions), port=0, log_level="error", lifespan="off"))
    stopped = threading.Event()
    threads = [threading.Thread(target=server.run), threading.Thread(target=champions.follow, args=(stopped,))]
    for thread in threads:
        thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield Server(settings, champions, server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = True
        stopped.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def server(make_settings: Callable[..., Settings]) -> Iterator[Server]:
    settings = make_settings()
    add(settings, 0.0)
    with serving(settings) as running:
        yield running


@pytest.fixture(scope="module")
def theirs(server: Server) -> TestClient:
    """MLflow's own scoring server on the same model."""
    return TestClient(scoring_server.init(mlflow.pyfunc.load_model(f"models:/{NAME}@champion")))


VALID = {
    "records": {"dataframe_records": [ROW, {**ROW, "frequency": 7}]},
    "split": {"dataframe_split": {"columns": list(NUMERIC), "data": [[2.0] * len(NUMERIC)] * 3}},
    "split with an index": {"dataframe_split": {"columns": list(NUMERIC), "data": [[2.0] * len(NUMERIC)], "index": [7]}},
    "split in another order": {"dataframe_split": {"columns": list(reversed(NUMERIC)), "data": [[2.0] * len(NUMERIC)]}},
    "inputs": {"inputs": [ROW]},
    "instances": {"instances": [ROW]},
    "whole numbers": {"dataframe_records": [dict.fromkeys(NUMERIC, 3)]},
    "one column more": {"dataframe_records": [{**ROW, "shoe_size": 44}]},
    "params": {"dataframe_records": [ROW], "params": {}},
    "many rows": {"dataframe_records": [{**ROW, "frequency": number} for number in range(500)]},
}
INVALID = {
    "a column is missing": {"dataframe_records": [{name: 1.0 for name in NUMERIC if name != "frequency"}]},
    "a text in place of a number": {"dataframe_records": [{**ROW, "frequency": "often"}]},
    "no form that MLflow knows": {"rows": [ROW]},
    "no object": [1, 2],
    "nothing": b"",
    "no JSON": b"{'dataframe_records'",
    "ragged": {"dataframe_split": {"columns": list(NUMERIC), "data": [[1.0], [1.0, 2.0]]}},
    "a column twice": {"dataframe_split": {"columns": [*NUMERIC, "frequency"], "data": [[2.0] * (len(NUMERIC) + 1)]}},
    "fewer rows in the index": {"dataframe_split": {"columns": list(NUMERIC), "data": [[2.0] * len(NUMERIC)] * 2, "index": [7]}},
}


@pytest.mark.parametrize("request_", VALID.values(), ids=VALID)
def test_a_request_has_the_answer_that_mlflow_s_own_server_gives(server: Server, theirs: TestClient, request_: Any) -> None:
    status, said, version = server.ask(request_)
    expected = theirs.post("/invocations", json=request_)
    assert (status, version) == (expected.status_code, "1")
    assert said == expected.json()


def test_csv_is_answered_too(server: Server, theirs: TestClient) -> None:
    text = ",".join(NUMERIC) + "\n" + ",".join(["3.0"] * len(NUMERIC)) + "\n"
    status, said, _ = server.ask(text.encode(), kind="text/csv")
    assert (status, said) == (200, theirs.post("/invocations", content=text, headers={"content-type": "text/csv"}).json())


@pytest.mark.parametrize("request_", INVALID.values(), ids=INVALID)
def test_a_bad_request_is_refused_as_mlflow_does(server: Server, theirs: TestClient, request_: Any) -> None:
    status, said, _ = server.ask(request_)
    body = request_ if isinstance(request_, bytes) else json.dumps(request_).encode()
    expected = theirs.post("/invocations", content=body, headers={"content-type": "application/json"})
    assert status == expected.status_code == 400
    assert said["error_code"] == expected.json()["error_code"]
    assert said["message"] == expected.json()["message"]
    assert "stack_trace" not in said


def test_the_field_that_is_wrong_is_named(server: Server) -> None:
    for name in ("a column is missing", "a text in place of a number"):
        assert "frequency" in server.ask(INVALID[name])[1]["message"]
    status, said, _ = server.ask({"dataframe_records": [{**ROW, "frequency": None}]})
    assert (status, "column 'frequency': expected a number" in said["message"]) == (400, True)


@pytest.mark.parametrize("kinds", [("double", "string"), ("long", "string"), ("string", "string")])
def test_what_the_short_way_takes_is_what_mlflow_makes_of_it(kinds: tuple[str, str], tmp_path: Path) -> None:
    """Rows of any values: either MLflow is asked, or its own checks let exactly this frame through."""
    schema = Schema([ColSpec(kind, name) for kind, name in zip(kinds, "ab", strict=True)])
    short = Loaded("any", 1, tmp_path, cast(Any, None), {name: KINDS[kind] for kind, name in zip(kinds, "ab", strict=True)})
    fitting = {"double": st.floats(-1e9, 1e9) | st.integers(-5, 5), "long": st.integers(-(2**63), 2**63 - 1), "string": st.text()}
    odd = st.sampled_from([1, 2.5, 2**53 + 1, 2**63, "", "1", None, True])
    rows_of = st.tuples(*(fitting[kind] | fitting[kind] | odd for kind in kinds))
    orders = st.sampled_from([["a", "b"], ["b", "a"], ["a", "b", "a"]])
    taken = []

    @given(st.lists(rows_of, max_size=3), orders, st.booleans())
    @hypothesis_settings(max_examples=150, deadline=None, derandomize=True)
    def check(rows: list[tuple[Any, Any]], names: list[str], as_records: bool) -> None:
        table = [[{"a": row[0], "b": row[1]}[name] for name in names] for row in rows]
        asked: dict[str, Any] = {"dataframe_split": {"columns": names, "data": table}}
        if as_records:
            asked = {"dataframe_records": [dict(zip("ab", row, strict=True)) for row in rows]}
        body = json.dumps(asked).encode()
        frame = short._plain(body)
        if frame is not None:
            parsed = scoring_server._parse_json_data(body, None, schema).data
            pd.testing.assert_frame_equal(frame, _enforce_schema(parsed, schema), check_index_type=False, check_column_type=False)
            taken.append(frame)

    check()
    assert taken


def test_a_defect_of_the_model_is_told_without_its_insides(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(RepeatPurchase, "predict", broken)
    for request_ in ({"dataframe_records": [ROW]}, {"dataframe_records": [ROW] * 100}):
        status, said, _ = server.ask(request_)
        assert (status, said["error_code"], "secret" in str(said)) == (500, "INTERNAL_ERROR", False)
    assert server.ask(b"[" * 100_000)[0] == 400


def test_other_kinds_of_content_are_refused_as_mlflow_does(server: Server, theirs: TestClient) -> None:
    for kind in ("application/xml", "text/plain; charset=utf-16; x=y", "APPLICATION/JSON", ""):
        status, _, _ = server.ask(b"<row/>", kind=kind)
        assert status == theirs.post("/invocations", content=b"<row/>", headers={"content-type": kind}).status_code == 415


def test_the_other_paths(server: Server) -> None:
    def get(path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()

    assert get("/ping") == (200, b"\n")
    assert get("/version") == (200, mlflow.__version__.encode())
    assert json.loads(get("/health")[1])["serving"] == {NAME: 1}
    assert get("/nowhere")[0] == 404
    assert get("/invocations")[0] == 405
    assert server.ask({"dataframe_records": [ROW]}, f"/models/{NAME}/invocations")[0] == 200
    status, said, _ = server.ask({"dataframe_records": [ROW]}, "/models/weather/invocations")
    assert (status, "no model 'weather'" in said["message"]) == (404, True)


def test_a_request_that_is_too_long_is_refused(server: Server) -> None:
    status, said, _ = server.ask(b" " * (MOST_BYTES + 1))
    assert (status, "ask in parts" in said["message"]) == (413, True)


def test_a_new_champion_answers_soon_and_no_request_fails(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    add(settings, 0.0)
    with serving(settings) as server:
        seen, stop = [], threading.Event()

        def client() -> None:
            while not stop.is_set():
                seen.append(server.ask({"dataframe_records": [ROW]}))

        threads = [threading.Thread(target=client) for _ in range(3)]
        for thread in threads:
            thread.start()
        second = add(settings, 2.0)
        since = time.monotonic()
        while server.champions.serving[NAME].version != second:
            assert time.monotonic() - since < 10
            time.sleep(0.01)
        time.sleep(0.2)
        stop.set()
        for thread in threads:
            thread.join()
    assert {status for status, *_ in seen} == {200}
    answers = {version: said["predictions"][0]["repeat_probability"] for _, said, version in seen}
    assert answers == {"1": pytest.approx(0.5), "2": pytest.approx(0.880797)}


def test_a_champion_that_cannot_be_loaded_leaves_the_old_one(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    add(settings, 0.0)
    champions = Champions(settings, NAME)
    add(settings, 1.0)

    def broken(name: str, version: int, folder: Path) -> Any:
        raise OSError("a file is gone")

    monkeypatch.setattr(following, "load", broken)
    assert champions._take() == []
    assert champions.serving[NAME].version == 1
    assert "version 2 cannot be loaded: OSError: a file is gone" in champions.failed[NAME]


def test_without_a_champion_there_is_nothing_to_serve(make_settings: Callable[..., Settings]) -> None:
    settings = make_settings()
    with pytest.raises(UsageError, match="nothing is trained yet: cartlake ml train"):
        Champions(settings, None)
    add(settings, 0.0, registry.CHALLENGER)
    with pytest.raises(UsageError, match="repeat_purchase has no champion yet"):
        Champions(settings, NAME)
    with pytest.raises(UsageError, match="there is no model 'weather'"):
        Champions(settings, "weather")


def test_xgboost_answers_without_scikit_learn_which_can_still_be_imported() -> None:
    said = subprocess.run([sys.executable, "-c", _LEAN], capture_output=True, text=True, timeout=60, check=False)
    assert (said.returncode, said.stdout.split()) == (0, ["1", "False", "True"]), said.stderr


_LEAN = """
import sys
from ml.serving.server import _import_xgboost
_import_xgboost()
import numpy as np, xgboost
rows = np.arange(8.0).reshape(4, 2)
booster = xgboost.train({"objective": "reg:squarederror"}, xgboost.DMatrix(rows, rows[:, 0]), 1)
print(booster.inplace_predict(rows).ndim, "sklearn" in sys.modules)
import sklearn
print("sklearn" in sys.modules)
"""
