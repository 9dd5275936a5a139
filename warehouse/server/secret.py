"""Secrets that a server makes for itself."""

import secrets
from contextlib import suppress
from pathlib import Path


def kept_in(file: Path) -> str:
    """The secret in a file, which is made on first use for its owner alone."""
    with suppress(FileExistsError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        part.touch(mode=0o600)
        part.write_text(secrets.token_hex(16) + "\n")
        try:
            file.hardlink_to(part)  # two servers that start together end up with one secret
        finally:
            part.unlink()
    return file.read_text().strip()
