"""Who may look: everybody on this machine; from outside those who know the token, or a name and its password.

Passwords are kept as scrypt hashes (RFC 7914; N 2^14, r 8, p 1). Who has come in carries a signed cookie for a week.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer

from lake.config import Settings
from lake.errors import PermanentFailure, UsageError
from warehouse.server.front import LOOPBACK
from warehouse.server.secret import kept_in

WEEK = 7 * 24 * 3600  # in seconds: how long a cookie is good
_SECRET = "dashboard_secret"
_LEAST_TOKEN, _LEAST_PASSWORD = 16, 8
_TOKEN_USER = ""  # in a cookie: who came in with the token


@dataclass(frozen=True)
class Doors:
    """The ways in, as they are now: the users file is read at each question, so that who is taken out of it is out."""

    token: str
    users: Path
    secret: str

    def known(self) -> dict[str, str]:
        """Name -> hash. PermanentFailure for a line that is none."""
        try:
            lines = self.users.read_text().splitlines()
        except FileNotFoundError:
            return {}
        except (OSError, UnicodeDecodeError) as error:
            raise PermanentFailure(f"{self.users}: the names of who may look cannot be read: {error}") from error
        found = {}
        for number, line in enumerate(lines, 1):
            name, _, hashed = line.partition(":")
            if not re.fullmatch(r"scrypt\$[0-9a-f]{32}\$[0-9a-f]{64}", hashed):
                raise PermanentFailure(
                    f"{self.users}, line {number}: expected NAME:scrypt$SALT$HASH; take it out, and add the name with --add-user"
                )
            found[name] = hashed
        return found

    def lets_in(self, name: str, password: str) -> bool:
        """Whether a name and its password, or the token without a name, are right. An unknown name takes as long as another."""
        if not name:
            return bool(self.token) and hmac.compare_digest(password.encode(), self.token.encode())
        known = self.known().get(name)
        salt, expected = (known or f"scrypt${'0' * 32}${'0' * 64}").split("$")[1:]
        return hmac.compare_digest(_scrypt(password, salt), expected) and known is not None

    def ticket(self, name: str) -> str:
        """What the cookie of somebody who is in says."""
        return self._signer().dumps([name, self._seal(name)])

    def holds(self, ticket: str) -> bool:
        """Whether a cookie is ours, younger than a week, and its password or token still the same."""
        try:
            name, seal = self._signer().loads(ticket, max_age=WEEK)
        except (BadSignature, ValueError):
            return False
        return bool(seal) and seal == self._seal(name)

    def _signer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.secret, salt="cartlake")

    def _seal(self, name: str) -> str:
        """Changes with the password or token, which ends the cookies that were given for the old one."""
        key = self.token if name == _TOKEN_USER else self.known().get(name, "")
        return hmac.new(self.secret.encode(), key.encode(), hashlib.sha256).hexdigest()[:16] if key else ""


def doors(settings: Settings, host: str) -> Doors | None:
    """The ways in for a server on `host`; None where everybody may look: on this machine alone, with neither token nor users.

    UsageError where it would be open to the outside.
    """
    token, users = settings.dashboard.token.get_secret_value(), settings.dashboard.users
    if 0 < len(token) < _LEAST_TOKEN:
        raise UsageError(
            f"the token of the dashboard has fewer than {_LEAST_TOKEN} characters; set CARTLAKE_DASHBOARD__TOKEN to a longer one"
        )
    found = Doors(token, users, "")
    if token or found.known():
        return Doors(token, users, kept_in(settings.data / _SECRET))
    if host not in LOOPBACK:
        raise UsageError(
            f"{host} is reached from outside: set CARTLAKE_DASHBOARD__TOKEN, or say who may look: "
            "cartlake dashboard --add-user NAME"
        )
    return None


def add_user(file: Path, name: str, password: str) -> None:
    """Write a user with a password's hash into the file, or another password for one who is there. UsageError for a bad one."""
    if not re.fullmatch(r"[^\s:]{1,64}", name):
        raise UsageError(f"{name!r}: a name has neither spaces nor colons, and at most 64 characters")
    if len(password) < _LEAST_PASSWORD:
        raise UsageError(f"a password has at least {_LEAST_PASSWORD} characters")
    salt = secrets.token_hex(16)
    _keep(file, Doors("", file, "").known() | {name: f"scrypt${salt}${_scrypt(password, salt)}"})


def remove_user(file: Path, name: str) -> None:
    """Take a user out of the file, who is out at once: of open pages too. UsageError for a name that is not there."""
    users = Doors("", file, "").known()
    if name not in users:
        raise UsageError(f"{file} has no {name!r}; there are: {', '.join(users) or 'none'}")
    _keep(file, {other: hashed for other, hashed in users.items() if other != name})


def _keep(file: Path, users: dict[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    part.touch(mode=0o600)
    part.write_text("".join(f"{name}:{hashed}\n" for name, hashed in users.items()))
    part.replace(file)


def _scrypt(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=32).hex()
