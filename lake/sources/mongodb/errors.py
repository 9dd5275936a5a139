"""What the errors of a MongoDB server mean, and what mends them."""

from collections.abc import Iterator
from contextlib import contextmanager

from bson.errors import BSONError
from pymongo.errors import ConnectionFailure, CursorNotFound, OperationFailure, PyMongoError

from lake.errors import CartlakeError, PermanentFailure, TransientFailure

_UNAUTHORIZED, _AUTHENTICATION = 13, 18
_HISTORY = {9, 260, 280, 286}  # unparsable or foreign resume token, a fatal stream error, history lost
_NOT_A_REPLICA_SET = 40573


@contextmanager
def translated(where: str, user: str, doing: str = "") -> Iterator[None]:
    try:
        yield
    except (PyMongoError, BSONError) as error:
        raise failure(where, user, doing, error) from error


def failure(where: str, user: str, doing: str, error: Exception) -> CartlakeError:
    place = f"{where}{': ' + doing if doing else ''}"
    if isinstance(error, CursorNotFound) or (
        isinstance(error, OperationFailure) and error.has_error_label("ResumableChangeStreamError")
    ):
        return TransientFailure(f"{place}: the server ended the cursor; run again to go on from here")
    if isinstance(error, OperationFailure):
        if error.code == _AUTHENTICATION:
            return PermanentFailure(f"{place}: wrong user or password for {user}; correct the source's URL (authSource, too)")
        if error.code == _UNAUTHORIZED:
            return PermanentFailure(
                f"{place}: {user} lacks a right; run db.grantRolesToUser('{user}', ['read']) in the database, "
                "or grant readAnyDatabase where the URL names none"
            )
        if error.code == _NOT_A_REPLICA_SET:
            return PermanentFailure(
                f"{place}: the server has no change streams; start mongod with --replSet and run rs.initiate()"
            )
        if error.code in _HISTORY and doing == "change stream":
            return PermanentFailure(
                f"{place}: the server no longer has what came after the last capture ({error.code}); "
                "capture again with --resnapshot"
            )
    if isinstance(error, ConnectionFailure):
        return TransientFailure(
            f"{place}: cannot reach the server; check that it runs and that the URL is right ({_short(error)})"
        )
    return PermanentFailure(f"{place}: {_short(error)}")


def _short(error: Exception) -> str:
    return str(error).split(", full error")[0].split(", Timeout:")[0][:200]
