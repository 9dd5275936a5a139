"""An answer of the engine that cannot be read is asked for again, and only then."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from pyspark.errors.exceptions.connect import SparkConnectGrpcException
from pyspark.sql.connect.session import SparkSession

from transforms.engine import Engine

SERVICE = "/spark.connect.SparkConnectService/"
STREAMS = {"ExecutePlan", "ReattachExecute"}
NOTHING_READABLE = b"\xff\xff\xff"


class Garbling(grpc.GenericRpcHandler):
    """Passes each call on to an engine, byte for byte, and spoils the first answers to `method`."""

    def __init__(self, channel: grpc.Channel, method: str, times: int) -> None:
        self.channel, self.method, self.left = channel, method, times

    def service(self, details: Any) -> Any:
        name = details.method.removeprefix(SERVICE)

        def metadata(context: Any) -> list[Any]:
            return [pair for pair in context.invocation_metadata() if pair[0] != "user-agent"]

        if name in STREAMS:
            stream = self.channel.unary_stream(details.method)
            return grpc.unary_stream_rpc_method_handler(lambda request, context: stream(request, metadata=metadata(context)))
        one = self.channel.unary_unary(details.method)

        def answer(request: bytes, context: Any) -> bytes:
            found: bytes = one(request, metadata=metadata(context))
            if name == self.method and self.left:
                self.left -= 1
                return NOTHING_READABLE
            return found

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def garbled(sail: Engine) -> Callable[..., Any]:
    """Makes an engine behind a wire that spoils some answers of Sail's."""

    @contextmanager
    def make(method: str, times: int) -> Iterator[tuple[Engine, Garbling]]:
        with grpc.insecure_channel(sail.spark.client._builder.endpoint) as channel, ThreadPoolExecutor(4) as pool:
            server = grpc.server(pool)
            wire = Garbling(channel, method, 0)
            server.add_generic_rpc_handlers([wire])
            port = server.add_insecure_port("127.0.0.1:0")
            server.start()
            session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").create()
            wire.left = times
            try:
                yield Engine(session, 2), wire
            finally:
                wire.left = 0
                session.stop()
                server.stop(None).wait()

    return make


@pytest.mark.parametrize("method", ["Config", "AnalyzePlan"])
def test_one_that_cannot_be_read_is_asked_for_again(garbled: Callable[..., Any], method: str) -> None:
    with garbled(method, times=2) as (engine, wire):
        frame = engine.spark.range(3)
        assert frame.schema.names == ["id"]
        assert engine.spark.conf.get("spark.sql.session.timeZone")
        assert engine.arrow(frame).num_rows == 3
        assert wire.left == 0


def test_one_that_never_can_be_read_is_an_error(garbled: Callable[..., Any]) -> None:
    with garbled("Config", times=100) as (engine, wire):
        with pytest.raises((SparkConnectGrpcException, grpc.RpcError), match=r"(?i)deserializing response"):
            engine.spark.conf.get("spark.sql.session.timeZone")
        assert wire.left == 100 - 4


def test_other_failures_are_not_repeated(garbled: Callable[..., Any]) -> None:
    with garbled("Config", times=0) as (engine, _), pytest.raises(Exception, match="nothing_of_that_name"):
        engine.arrow(engine.spark.sql("select * from nothing_of_that_name"))
