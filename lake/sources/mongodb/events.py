"""The events of a change stream, also where one is too large to be sent.

An event holds its document, and a few bytes more: with a document near 16 MB the server refuses it (error 10334), or a batch of
them is more than a message may hold. From there on the events are asked for without documents, and each document is fetched by
its `_id`: its present state, as the server's own lookup for an update gives it.
"""

import logging
from typing import Any

import bsonjs
from bson import decode, encode
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient
from pymongo.errors import OperationFailure, ProtocolError

from lake.sources.mongodb.json import text

logger = logging.getLogger(__name__)

_TOO_LARGE = 10334
_AWAIT_MS = 100  # how long the server may wait for one more event; each catch-up waits once
_BARE = [{"$project": {"fullDocument": 0, "updateDescription": 0}}]


class Events:
    """A change stream of a database, or of all, after a token; from now on for None. The client gives raw documents."""

    def __init__(self, client: MongoClient[Any], database: str | None, token: str | None) -> None:
        self._client, self._database = client, database
        self._token, self._bare = token, False
        try:
            self._stream = self._open()
        except (OperationFailure, ProtocolError) as error:
            self._go_bare(error)

    def __enter__(self) -> "Events":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()

    @property
    def token(self) -> str:
        """Canonical extended JSON of the token behind the last event, or behind what was searched in vain."""
        token = self._stream.resume_token
        if token is None and self._token is not None:
            return self._token
        return text(bytes(token.raw) if isinstance(token, RawBSONDocument) else encode(token))

    def try_next(self) -> Any:
        """The next event; None when there is none now."""
        try:
            event = self._stream.try_next()
        except (OperationFailure, ProtocolError) as error:
            self._go_bare(error)
            event = self._stream.try_next()
        if event is not None and event["operationType"] == "invalidate":
            # The server has closed the stream, and the driver would resume behind this event, which is refused.
            self._reopen()
        return self._with_document(event) if self._bare and event is not None else event

    def _go_bare(self, error: OperationFailure | ProtocolError) -> None:
        if self._bare or (isinstance(error, OperationFailure) and error.code != _TOO_LARGE):
            raise error
        logger.info("an event is too large: going on without documents in the events")
        self._bare = True
        if hasattr(self, "_stream"):
            self._reopen()
        else:
            self._stream = self._open()

    def _reopen(self) -> None:
        self._token = self.token
        self._stream.close()
        self._stream = self._open()

    def _open(self) -> Any:
        scope = self._client[self._database] if self._database else self._client
        options: dict[str, Any] = {"max_await_time_ms": _AWAIT_MS}
        if self._token is not None:
            # start_after, unlike resume_after, also goes on behind an `invalidate`.
            options["start_after"] = decode(bsonjs.loads(self._token))
        if self._bare:
            return scope.watch(_BARE, **options)
        return scope.watch(full_document="updateLookup", **options)

    def _with_document(self, event: Any) -> Any:
        if event["operationType"] not in ("insert", "update", "replace"):
            return event
        ns = event["ns"]
        collection = self._client[ns["db"]][ns["coll"]]
        return {**event, "fullDocument": collection.find_one({"_id": event["documentKey"]["_id"]})}
