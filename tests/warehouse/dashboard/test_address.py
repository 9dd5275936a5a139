"""Where a server is found."""

import pytest

from warehouse.dashboard.address import reached, url


@pytest.mark.parametrize(
    ("host", "shown", "asked"),
    [
        ("127.0.0.1", "http://127.0.0.1:8501", "http://127.0.0.1:8501"),
        ("::1", "http://[::1]:8501", "http://[::1]:8501"),
        ("192.0.2.7", "http://192.0.2.7:8501", "http://192.0.2.7:8501"),
        ("0.0.0.0", "http://0.0.0.0:8501", "http://127.0.0.1:8501"),
        ("::", "http://[::]:8501", "http://[::1]:8501"),
    ],
)
def test_an_address_for_people_and_one_that_answers(host: str, shown: str, asked: str) -> None:
    assert url(host, 8501) == shown
    assert url(reached(host), 8501) == asked
