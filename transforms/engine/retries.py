"""Which failed calls of an engine are made again at once. Imports pyspark, so only `Engine` imports it."""

import grpc
from pyspark.sql.connect.client.retries import RetryPolicy


class Garbled(RetryPolicy):  # type: ignore[misc]
    """An answer that cannot be read: the server is well, its next answer is too.

    Seen twice in some 100,000 calls to Sail 0.7.2 on a busy machine, of the cheapest call there is (`ConfigResponse: Wire format
    was corrupt`); without this it failed a whole build. A write that is made again is refused by the engine, since its folder is
    there: that fails as it did.
    """

    def __init__(self) -> None:
        super().__init__(max_retries=3, initial_backoff=20, backoff_multiplier=4)

    def can_retry(self, exception: BaseException) -> bool:
        return (
            isinstance(exception, grpc.Call)
            and exception.code() == grpc.StatusCode.INTERNAL
            and "deserializing response" in (exception.details() or "")
        )
