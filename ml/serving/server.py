"""The server: uvicorn in front of the application, a thread that follows the champions."""

import sys
import threading

from lake.config import Settings
from ml.serving.champions import Champions
from ml.serving.loaded import Loaded


def run(settings: Settings, name: str | None, host: str, port: int) -> None:
    """Serve the champion of a model, or all of them, until SIGINT or SIGTERM. UsageError where there is none."""
    import uvicorn

    from ml.serving.app import App

    _import_xgboost()
    champions = Champions(settings, name)
    stopped = threading.Event()
    threading.Thread(target=champions.follow, args=(stopped, _say), daemon=True).start()
    for loaded in champions.serving.values():
        _say(loaded)
    try:
        uvicorn.run(App(champions), host=host, port=port, log_level="warning", access_log=False, lifespan="off")
    finally:
        stopped.set()


def _import_xgboost() -> None:
    """xgboost imports scikit-learn for estimators that nobody asks a server for: over a second of the five until it is ready."""
    if "sklearn" in sys.modules or "xgboost" in sys.modules:
        return
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # import sklearn: ImportError, for which xgboost is prepared
    try:
        import xgboost  # noqa: F401
    finally:
        del sys.modules["sklearn"]


def _say(loaded: Loaded) -> None:
    print(f"{loaded.name}: version {loaded.version}", flush=True)
