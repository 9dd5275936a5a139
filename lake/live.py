"""Capture without end: each source is followed as it changes, until somebody asks for the end."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from typing import Any

from lake import positions
from lake.capture import chosen_sources, open_reader
from lake.capture_report import Progress, TableReport, quiet
from lake.capture_run import Orders, Run
from lake.config import Settings
from lake.delta import Lake
from lake.errors import TransientFailure
from lake.lock import hold
from lake.sources.base import Position, Reader

logger = logging.getLogger(__name__)

_LONGEST_DELAY = 60.0  # seconds between two attempts to reach a source that is gone

OnRound = Callable[[str, Sequence[TableReport]], None]  # source, what the round brought


def _ignore(_source: str, _tables: Sequence[TableReport]) -> None:
    """Rounds that nobody watches."""


def live(
    settings: Settings,
    source: str | None = None,
    *,
    stop: threading.Event | None = None,
    on_round: OnRound = _ignore,
    on_progress: Progress = quiet,
) -> None:
    """Capture each source, or one, again whenever it has something new, until `stop` is set or the process is interrupted.

    `on_round` is called after each round that committed something. A source that cannot be reached is tried again for as long as
    it takes; a failure that no retry can mend ends the whole and is raised.
    """
    ended, failures = stop or threading.Event(), list[BaseException]()

    def follow(name: str) -> None:
        try:
            _Follower(settings, name, ended, on_round, on_progress).run()
        except BaseException as error:
            failures.append(error)
            ended.set()

    threads = [threading.Thread(target=follow, args=(name,), name=f"live-{name}") for name in chosen_sources(settings, source)]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(0.5)  # a join without end would not let Ctrl-C through
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


class _Follower:
    """Follows one source, over as many connections as that takes."""

    def __init__(self, settings: Settings, name: str, ended: threading.Event, on_round: OnRound, on_progress: Progress) -> None:
        self._settings, self._name, self._ended = settings, name, ended
        self._on_round, self._on_progress = on_round, on_progress
        self._lake, self._source = Lake(settings.lake_root), settings.sources[name]
        self._seen: tuple[Any, int] | None = None

    def run(self) -> None:
        delay, poll = 0.5, self._settings.capture.poll.total_seconds()
        while self._source.kind == "files" and not self._ended.is_set():
            self._folder()
            self._ended.wait(poll)
        while not self._ended.is_set():
            try:
                with ExitStack() as stack:
                    reader = stack.enter_context(closing(open_reader(self._settings, self._name, self._settings.url(self._name))))
                    while not self._ended.is_set():
                        self._round(reader)
                        delay = 0.5
                        self._ended.wait(poll)
            except TransientFailure as error:
                logger.warning("%s; trying again in %.1f s", error, delay)
                self._ended.wait(delay)
                delay = min(delay * 2, _LONGEST_DELAY)

    def _round(self, reader: Reader) -> None:
        """One capture, unless neither the source nor what was asked of us has moved since the last."""
        at: Position = reader.position()
        # Without the source's log nothing tells that there is nothing new.
        told = self._source.mode in ("auto", "cdc")
        if told and (dict(at), self._lake.version(positions.NAME)) == self._seen:
            return
        # Held for the round only, so that a table can be paused meanwhile.
        with hold(self._settings.data, f"source-{self._name}", wait=60):
            orders = Orders(shrink=self._settings.capture.shrink)
            tables = Run(self._lake, self._source, reader, orders, self._on_progress).all()
        self._seen = dict(at), self._lake.version(positions.NAME)
        if any(table.rows for table in tables):
            self._on_round(self._name, tables)

    def _folder(self) -> None:
        """One look at a folder of files: those that look as they did are not opened."""
        from lake.capture_files import capture_files

        with hold(self._settings.data, f"source-{self._name}", wait=60):
            tables = capture_files(self._lake, self._source, self._settings, self._on_progress)
        if any(table.rows for table in tables):
            self._on_round(self._name, tables)
