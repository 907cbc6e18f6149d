"""The log: one line per event, as text or JSON; foreign loggers do not chatter."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from typing import Literal

import pytest

from aggregator import log

logger = logging.getLogger("aggregator.test")


@pytest.fixture(autouse=True)
def _loggers_as_before() -> Iterator[None]:
    root = logging.getLogger("aggregator")
    before = root.handlers[:], root.level, root.propagate
    yield
    root.handlers[:], root.level, root.propagate = before


def test_text_is_one_line_with_its_facts() -> None:
    stream = io.StringIO()
    log.configure(verbosity=1, stream=stream)
    logger.info("polled", extra={"feed": "a\nb\x1b[31m", "elapsed": 1.5})
    line = stream.getvalue()
    assert line.endswith(" INFO aggregator.test: polled feed='a\\nb\\x1b[31m' elapsed=1.5\n")
    assert line.count("\n") == 1


def test_json_is_one_object_a_line() -> None:
    stream = io.StringIO()
    log.configure(style="json", stream=stream)
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        logger.exception("visit failed", extra={"host": "a\nb"})
    row = json.loads(stream.getvalue())
    assert stream.getvalue().count("\n") == 1
    assert (row["level"], row["logger"], row["message"], row["host"]) == (
        "ERROR",
        "aggregator.test",
        "visit failed",
        "a\nb",
    )
    assert row["traceback"].startswith("Traceback")
    assert row["time"].endswith("+00:00")


def test_a_bug_has_its_traceback_in_text_too() -> None:
    stream = io.StringIO()
    log.configure(stream=stream)
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("visit failed")
    assert "Traceback (most recent call last)" in stream.getvalue()


@pytest.mark.parametrize(
    ("verbosity", "levels"),
    [
        (-1, ["ERROR"]),
        (0, ["WARNING", "ERROR"]),
        (1, ["INFO", "WARNING", "ERROR"]),
        (2, ["DEBUG", "INFO", "WARNING", "ERROR"]),
        (7, ["DEBUG", "INFO", "WARNING", "ERROR"]),
    ],
)
def test_verbosity(verbosity: int, levels: list[str]) -> None:
    stream = io.StringIO()
    log.configure(verbosity=verbosity, stream=stream)
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        logger.log(level, "something")
    assert [line.split()[2] for line in stream.getvalue().splitlines()] == levels


@pytest.mark.parametrize("name", ["urllib3", "urllib3.connectionpool", "apscheduler"])
def test_foreign_loggers_say_errors_only(name: str) -> None:
    log.configure(verbosity=2)
    assert logging.getLogger(name).getEffectiveLevel() == logging.ERROR


@pytest.mark.parametrize("style", ["text", "json"])
def test_passwords_of_addresses_are_not_logged(style: Literal["text", "json"]) -> None:
    stream = io.StringIO()
    log.configure(style=style, stream=stream)
    logger.warning("gap not filled", extra={"feed": "https://me:secret@example.org/feed?a=b@c"})
    assert "https://me:***@example.org/feed?a=b@c" in stream.getvalue()


def test_a_service_tells_of_itself_without_being_asked() -> None:
    stream = io.StringIO()
    for verbosity in (-1, 0, 1):
        log.configure(verbosity=verbosity, is_service=True, stream=stream)
        logging.getLogger("aggregator.service").info("started at %s", verbosity)
        logger.info("polled at %s", verbosity)
    assert [line.partition(": ")[2] for line in stream.getvalue().splitlines()] == [
        "started at 0",
        "started at 1",
        "polled at 1",
    ]
    log.configure(stream=stream)
    logging.getLogger("aggregator.service").info("started in a command of another kind")
    assert "another kind" not in stream.getvalue()


def test_lines_have_a_date() -> None:
    stream = io.StringIO()
    log.configure(stream=stream)
    facts = {"created": 1668124800.0, "name": "aggregator.test", "levelname": "ERROR", "levelno": 40, "msg": "x"}
    logging.getLogger("aggregator").handle(logging.makeLogRecord(facts))
    assert stream.getvalue() == "2022-11-11 00:00:00 ERROR aggregator.test: x\n"


def test_nothing_plain_stands_among_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Not what a library logs, nor what nobody caught."""
    before = sys.excepthook, threading.excepthook, logging.lastResort
    try:
        log.configure(style="json")
        assert logging.lastResort is not None  # what takes the lines of libraries
        logging.lastResort.handle(logging.makeLogRecord({"msg": "a line", "levelname": "WARNING"}))
        sys.excepthook(ValueError, ValueError("lost"), None)
        threading.excepthook(threading.ExceptHookArgs((ValueError, ValueError("in a thread"), None, None)))
        print(log.line_for_user("nothing there"), file=sys.stderr)
    finally:
        sys.excepthook, threading.excepthook, logging.lastResort = before
        log.configure()
    rows = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [row["message"] for row in rows] == ["a line", "uncaught exception", "uncaught exception", "nothing there"]
    assert "lost" in rows[1]["traceback"]
    assert log.line_for_user("nothing there") == "aggregator: nothing there"
