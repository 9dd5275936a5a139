"""What MLflow is told of the segments."""

from typing import Any

import numpy as np
import polars as pl

from ml.life import registry, store
from ml.life.champion import champions
from ml.segments.model import BEHAVIOUR, behaving
from ml.segments.plots import profile
from ml.segments.served import Node, Segments
from ml.segments.space import AXES, COLUMNS


def test_behaviour_is_the_mean_over_a_segment_s_customers() -> None:
    known = pl.DataFrame({name: [1.0, 3.0, 5.0] for name in BEHAVIOUR})
    found = behaving(known, np.array(["Here", "Gone", "Here"]))
    assert found == {"Here": dict.fromkeys(BEHAVIOUR, 3.0), "Gone": dict.fromkeys(BEHAVIOUR, 3.0)}
    assert list(behaving(known.with_row_index().drop("index"), np.array(["a", "b", "b"]))["b"].values()) == [4.0] * len(BEHAVIOUR)


def test_the_picture_has_a_cell_for_each_axis_and_each_behaviour() -> None:
    made = Segments(Node((0.5,) * 3, (Node((0.0, 0.0, 0.0), (), 0), Node((1.0, 1.0, 1.0), (), 1))), ("Here", "Gone"), ())
    behaviour = {"Here": dict.fromkeys(BEHAVIOUR, 0.25), "Gone": dict.fromkeys(BEHAVIOUR, 0.0)}
    (axes,) = profile(made, {"Here": 3, "Gone": 4}, behaviour).axes
    cells = [text.get_text() for text in axes.texts]
    highest = [f"{high:,.0f}" for _, high in AXES.values()]
    assert cells[len(AXES) :][: len(BEHAVIOUR)] == ["0.25"] * len(BEHAVIOUR)
    assert cells[len(AXES) + len(BEHAVIOUR) :] == [*highest, *["0.00"] * len(BEHAVIOUR)]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Here (3)", "Gone (4)"]


def test_the_champion_asks_for_the_columns_that_it_uses_and_describes_its_segments(trained: Any) -> None:
    import mlflow

    client = store.connect(trained.settings.ml.tracking_uri, trained.settings.ml.artifacts)
    version = registry.holder(client, "customer_segments")
    assert version is not None
    model = mlflow.pyfunc.load_model("models:/customer_segments@champion")
    assert model.metadata.get_input_schema().input_names() == list(model.input_example) == list(COLUMNS)
    segments: Any = mlflow.artifacts.load_dict(f"runs:/{version.run_id}/segments.json")
    served: Any = champions(trained.settings, ("customer_segments",))["customer_segments"].served
    assert {one["segment"] for one in segments} == set(served.names)
    assert all(list(one["behaviour"]) == list(BEHAVIOUR) for one in segments)
