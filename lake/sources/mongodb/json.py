"""BSON bytes to canonical extended JSON, without making Python objects of a document."""

import json
from collections.abc import Iterator

import bsonjs
from bson import encode
from bson.raw_bson import RawBSONDocument

_FIRST = '{ "_id" : '
_scan = json.JSONDecoder().raw_decode


def text(document: bytes) -> str:
    """The document as bsonjs writes it. ValueError where the bytes are not BSON, or a string in them is not UTF-8."""
    # A large document within an event comes as a memoryview of it.
    return str(bsonjs.dumps(bytes(document), mode=bsonjs.CANONICAL))


def id_text(document: bytes, known: str | None = None) -> str:
    """Canonical extended JSON of a document's `_id` alone; `known` is the document's text where it is at hand."""
    known = text(document) if known is None else known
    if not known.startswith(_FIRST):
        known = text(encode({"_id": RawBSONDocument(document)["_id"]}))
    _, end = _scan(known, len(_FIRST))
    return known[len(_FIRST) : end]


def split_batch(batch: bytes) -> Iterator[bytes]:
    """The documents of a raw batch: each begins with its length."""
    at = 0
    while at < len(batch):
        size = int.from_bytes(batch[at : at + 4], "little")
        yield batch[at : at + size]
        at += size
