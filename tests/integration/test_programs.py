"""Programs that print feeds, where no site is needed: the end of the service, other requests, what they say last."""

from __future__ import annotations

import sys
import threading
from datetime import timedelta
from pathlib import Path

from aggregator.clock import SystemClock
from aggregator.models.fetching import Cause, Fetched, FetchFailed, FetchRequest, FetchResult
from aggregator.programs import Command, CommandFetcher, run_program
from tests.support import answers
from tests.support.daemon import wait_for

URL = "https://a.example/mine"
MINUTE = timedelta(minutes=1)


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def test_a_program_ends_when_the_service_stops(tmp_path: Path) -> None:
    stop, started = threading.Event(), tmp_path / "started"

    def wait_and_stop() -> None:
        wait_for(started.exists, "the program")
        stop.set()

    beside = threading.Thread(target=wait_and_stop)
    beside.start()
    code = f"import time; open({str(started)!r}, 'w').close(); time.sleep(60)"
    ran = run_program(python(code), timeout=MINUTE, max_bytes=10, stop=stop)
    beside.join()
    assert (ran.problem, ran.output) == ("stopped", b"")


def test_children_that_outlive_a_program_do_not_keep_it() -> None:
    code = "import os, time\nif os.fork() == 0: time.sleep(60)\nelse: print('done', flush=True)"
    ran = run_program(python(code), timeout=MINUTE, max_bytes=10, stop=threading.Event())
    assert (ran.problem, ran.output) == ("", b"done\n")


def test_the_last_line_of_many_on_standard_error_is_kept() -> None:
    code = "import sys\nfor n in range(5000): print('line', n, file=sys.stderr)\nsys.exit(3)"
    ran = run_program(python(code), timeout=MINUTE, max_bytes=10, stop=threading.Event())
    assert (ran.problem, ran.detail, ran.note) == ("status", "exit status 3", "line 4999")


def test_an_argument_with_a_nul_is_no_program() -> None:
    ran = run_program(("/bin/echo", "a\0b"), timeout=MINUTE, max_bytes=10, stop=threading.Event())
    assert (ran.problem, ran.detail) == ("start", "embedded null byte")


class Web:
    """Answers all that is no program."""

    def fetch(self, request: FetchRequest) -> FetchResult:
        return answers.fetched(request.url, b"from the web")


def ask(commands: dict[str, Command], **request: object) -> FetchResult:
    fetcher = CommandFetcher(Web(), commands, SystemClock(), threading.Event())
    asked = {"url": URL, "accept": "feed", "feed": URL, "max_bytes": 100, "deadline": MINUTE, **request}
    return fetcher.fetch(FetchRequest(**asked))  # type: ignore[arg-type]


def test_only_the_poll_of_its_feed_runs_a_program() -> None:
    commands = {URL: Command(arguments=python("print('printed')"))}
    printed = ask(commands)
    assert isinstance(printed, Fetched)
    assert (printed.body, printed.final_url, printed.wire_bytes) == (b"printed\n", URL, 0)
    for other in (
        {"accept": "page"},
        {"feed": "https://a.example/other"},
        {"url": "https://a.example/a"},
        {"feed": None},
    ):
        answer = ask(commands, **other)
        assert isinstance(answer, Fetched)
        assert answer.body == b"from the web"


def test_a_secret_in_what_a_program_says_is_masked() -> None:
    code = "import sys; sys.exit('cannot open https://me:pw@a.example/?token=s3cret')"
    failed = ask({URL: Command(arguments=python(code), timeout=timedelta(seconds=30))})
    assert isinstance(failed, FetchFailed)
    assert (failed.cause, "pw" in failed.detail, "s3cret" in failed.detail) == (Cause.PROGRAM, False, False)
