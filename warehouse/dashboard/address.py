"""Where a server is found that listens on a host and port."""


def url(host: str, port: int) -> str:
    """The address of a server, as a browser takes it."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def reached(host: str) -> str:
    """An address at which a server on `host` answers: one that listens everywhere does so on the loopback too."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
