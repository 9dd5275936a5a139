"""A task is tried again only where the failure may pass by itself."""

import pytest
from prefect.states import Failed

from flows.observed import observe, transient
from lake.errors import PermanentFailure, TransientFailure


@pytest.mark.parametrize(
    ("failure", "again"), [(TransientFailure("busy"), True), (PermanentFailure("wrong password"), False), (KeyError("x"), False)]
)
def test_only_a_transient_failure_is_retried(failure: Exception, again: bool) -> None:
    assert transient(observe, None, Failed(data=failure)) is again  # type: ignore[arg-type]


def test_the_step_task_asks_that_question() -> None:
    assert observe.retry_condition_fn is transient
    assert observe.retries > 0
