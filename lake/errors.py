"""What can go wrong, as types that decide what happens next.

CartlakeError
├── UsageError         the caller asked for something that cannot be: exit code 2, never retried
├── TransientFailure   may succeed when tried again: source unreachable, lock held; flows retry it
└── PermanentFailure   stays wrong until somebody mends it: wrong password, missing right, bad data

A message says what, where, and the way out, in one line, and never holds a secret.
"""

import errno

# EFBIG: the account may write no larger files (ulimit -f).
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SAID = ("No space left on device", "Disk quota exceeded", "File too large")


class CartlakeError(Exception):
    """Base of every expected failure; the command line prints it as one line."""

    exit_code = 1


class UsageError(CartlakeError):
    """A wrong option, setting or name."""

    exit_code = 2


class TransientFailure(CartlakeError):
    """Worth another try: the flows retry it with a growing delay."""


class PermanentFailure(CartlakeError):
    """No retry can help."""


def full_disk(error: BaseException) -> PermanentFailure | None:
    """The failure to report when a disk is full, which each library says in its own way; None for any other error."""
    told = str(error)
    if getattr(error, "errno", None) in _FULL or any(said in told for said in _SAID):
        return PermanentFailure("the disk is full; nothing that was committed is lost: free space and run the same command again")
    return None
