"""Serving to many: SQL on the warehouse, answers of the models."""

import os
import signal
import sys
import threading

import click

from flows.commands.common import Lazy, settings_of


@click.group()
def serve() -> None:
    """Servers, each until Ctrl-C."""


@serve.command()
@click.option("--host", help="Where to listen: serve.host, unless given.")
@click.option("--port", type=click.IntRange(1, 65535), help="serve.port, unless given.")
@settings_of
def sql(settings: Lazy, host: str | None, port: int | None) -> None:
    """Answer SQL from many clients at once, read-only, on the newest release: DuckDB's quack protocol.

    Example: cartlake serve sql --port 9495
    """
    from warehouse.server.front import LOOPBACK, serving

    loaded = settings()
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    loaded = loaded.model_copy(update={"serve": loaded.serve.model_copy(update=given)})
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with serving(loaded) as server:
        if loaded.serve.host not in LOOPBACK:
            click.secho(
                "cartlake: reached from outside, and quack encrypts nothing: the token and the answers can be read on the way; "
                "put a proxy with TLS before it (docs/sql-server.md)",
                err=True,
                fg="yellow",
            )
        token = (
            "the token of serve.token" if loaded.serve.token.get_secret_value() else f"the token in {loaded.data / 'serve_token'}"
        )
        click.echo(
            f"{server.uri} serves release {server.release}; in DuckDB: ATTACH '{server.uri}' AS shop (TOKEN '…') with {token}"
        )
        server.run(stopped)
    click.echo("stopped", err=True)
    # A thread of quack's may still be about to call Python, which at Python's own exit ends in an abort.
    sys.stdout.flush()
    os._exit(0)


@serve.command()
@click.argument("name", required=False)
@click.option("--host", help="Where to listen: ml.host, unless given.")
@click.option("--port", type=click.IntRange(1, 65535), help="ml.port, unless given.")
@settings_of
def model(settings: Lazy, name: str | None, host: str | None, port: int | None) -> None:
    """Answer for a model's champion, or for all of them, over HTTP as MLflow does: POST /invocations. No Java.

    One model is at /invocations, several at /models/NAME/invocations. A promotion or a new training is taken up while it runs.

    Example: cartlake serve model repeat_purchase --port 5002
    """
    from ml.serving.server import run
    from warehouse.server.front import LOOPBACK

    loaded = settings()
    where, at = host or loaded.ml.host, port or loaded.ml.port
    if where not in LOOPBACK:
        click.secho("cartlake: reached from outside, and it asks for no password: put a proxy before it", err=True, fg="yellow")
    click.echo(f"http://{where}:{at}", err=True)
    run(loaded, name, where, at)
