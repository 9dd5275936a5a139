"""A private MariaDB, a MongoDB-protocol server, and a simulated shop that keeps trading."""

from lake.sandbox.servers import Sandbox, find, running, start, status, stop

__all__ = ["Sandbox", "find", "running", "start", "status", "stop"]
