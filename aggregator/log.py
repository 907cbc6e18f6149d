"""Sets up logging: one line per event, as text or JSON, on stderr, without passwords. Only this module does so."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal, TextIO

from aggregator.redaction import mask_password

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _facts(record: logging.LogRecord) -> dict[str, object]:
    """Return the facts passed in `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


class TextFormatter(logging.Formatter):
    """Formats an event as text: `2022-11-11 12:00:00 INFO aggregator.visits.visit: message fact='value'`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the event as one line, with the lines of its traceback below if it has one."""
        at = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%d %H:%M:%S")
        facts = "".join(f" {name}={value!r}" for name, value in _facts(record).items())
        line = f"{at} {record.levelname} {record.name}: {record.getMessage()}{facts}"
        return mask_password(f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line)


class JsonFormatter(logging.Formatter):
    """Formats an event as a JSON object: time, level, logger, message, the facts of `extra`, and its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the event as one JSON object without line breaks."""
        row: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if record.exc_info:
            row["traceback"] = self.formatException(record.exc_info)
        return mask_password(json.dumps(row, ensure_ascii=False, default=str))


def configure(
    *,
    style: Literal["text", "json"] = "text",
    verbosity: int = 0,
    is_service: bool = False,
    stream: TextIO | None = None,
) -> None:
    """Send the log to `stream` (None: stderr). `verbosity`: -1 errors, 0 warnings, 1 one line per job, 2 decisions.

    With `is_service`, verbosity 0 also shows the service's own events: start, reload, a line a minute, stop.
    """
    level = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO}.get(verbosity, logging.DEBUG)
    configure_as(style, level, stream)
    logging.getLogger("aggregator.service").setLevel(logging.INFO if is_service and verbosity == 0 else logging.NOTSET)
    for talker in ("apscheduler", "urllib3"):
        logging.getLogger(talker).setLevel(logging.ERROR)
    for talker in ("procrastinate", "psycopg.pool"):  # if the database is gone, our own log has one line about it
        logging.getLogger(talker).setLevel(logging.CRITICAL)


def configure_as(style: Literal["text", "json"], level: int, stream: TextIO | None = None) -> None:
    """Send the log of this package to `stream` (None: stderr), from `level` on (a level of `logging`).

    With the style "json", uncaught exceptions are logged, too.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    logger = logging.getLogger("aggregator")
    logger.handlers[:] = [handler]
    logger.setLevel(level)
    logger.propagate = False
    logging.lastResort = handler  # lines of libraries look alike
    if style == "json":
        sys.excepthook = _log_exception
        threading.excepthook = lambda args: _log_exception(args.exc_type, args.exc_value, args.exc_traceback)


def _log_exception(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    found = (kind, error or kind(), trace)
    logging.getLogger("aggregator").critical("uncaught exception", exc_info=found)


def line_for_user(message: str) -> str:
    """Return a command's message in the style of the log, so that a JSON log has no plain lines."""
    if current()[0] == "text":
        return f"aggregator: {message}"
    return JsonFormatter().format(
        logging.makeLogRecord({"name": "aggregator.cli", "levelname": "ERROR", "msg": message})
    )


def current() -> tuple[Literal["text", "json"], int]:
    """Return the style and level of this process's log. `configure_as` uses them in a child process."""
    logger = logging.getLogger("aggregator")
    is_json = any(isinstance(handler.formatter, JsonFormatter) for handler in logger.handlers)
    return "json" if is_json else "text", logger.getEffectiveLevel()
