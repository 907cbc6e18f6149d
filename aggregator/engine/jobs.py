"""Runs visits as jobs of Procrastinate in the store's own PostgreSQL. No other module uses Procrastinate."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.resources import files
from itertools import groupby
from typing import Any, Final

from aggregator.errors import MissingExtraError, StorageError, StoreVersionError
from aggregator.models.ids import HostId
from aggregator.ports.store_records import Claim

try:
    import psycopg
    from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
    from procrastinate.exceptions import ProcrastinateException
    from procrastinate.jobs import Status
    from procrastinate.schema import SchemaManager
    from procrastinate.types import JSONDict
except ImportError as missing:
    raise MissingExtraError("a fleet", "procrastinate", "postgresql") from missing

QUEUE: Final = "aggregator"
VISIT: Final = "visit_host"
_REAP: Final = "reap"
_REAP_AT: Final = "*/5 * * * *"
_DEAD_AFTER: Final = 120.0  # seconds without a heartbeat; a worker sends one every ten
_LOOK_AGAIN: Final = 5.0  # seconds between two checks of the queue; PostgreSQL announces new jobs
_PATIENCE: Final = 3.0  # seconds for the visits under way at the end


@contextmanager
def _translated() -> Iterator[None]:
    """Raise errors of Procrastinate and of the database as `StorageError`."""
    try:
        yield
    except (ProcrastinateException, psycopg.Error) as error:
        cause = error.__cause__ or error
        raise StorageError(f"the queue: {str(cause).strip() or type(cause).__name__}") from error


# --- the queue --------------------------------------------------------------------------------------------------------


class JobQueue:
    """Adds jobs to the queue, within a transaction of the store. It implements `store.queue.fleet.VisitQueue`.

    The version of Procrastinate's tables is the name of its last migration, stored as the comment on one table.
    """

    def __init__(self) -> None:
        self._app = App(connector=SyncPsycopgConnector())  # never opened: jobs are added on the store's own connection

    def set_up(self, connection: Any, *, migrate: bool) -> None:
        """Create Procrastinate's tables if they are missing. With `migrate`, upgrade tables of an older version.

        Raises:
            StorageError: the tables are older and `migrate` is not set, or they belong to another program.
            StoreVersionError: a newer version made the tables.
        """
        with _translated():
            there, known = connection.execute(_VERSION).fetchone()
            if not there:
                connection.execute(SchemaManager.get_schema())
            elif known is None:
                raise StorageError("the database holds the queue of another program; name another one in [storage] url")
            elif known > _migrations()[-1]:
                raise StoreVersionError(f"the queue has version {known}; install the procrastinate that made it so")
            elif known < _migrations()[-1] and not migrate:
                raise StorageError("the queue has older tables; stop the workers and run `aggregator db upgrade`")
            for name in _migrations():
                if there and name > known:
                    connection.execute((files("procrastinate.sql") / "migrations" / name).read_text(encoding="utf-8"))
            connection.execute(f"COMMENT ON TABLE procrastinate_jobs IS '{_migrations()[-1]}'")

    def waiting(self, connection: Any) -> int:
        """Return how many visits are queued and not begun."""
        with _translated():
            return int(connection.execute(_WAITING, (QUEUE, VISIT)).fetchone()[0])

    def put(self, connection: Any, claims: Sequence[Claim]) -> None:
        """Queue a visit to each claimed host, with the host's priority."""
        by_priority = sorted(claims, key=lambda claim: -claim.priority)
        with _translated():
            for priority, some in groupby(by_priority, key=lambda claim: claim.priority):
                task = self._app.configure_task(VISIT, queue=QUEUE, priority=priority, connection=connection)
                arguments: list[JSONDict] = [{"host_id": claim.host_id, "token": claim.token} for claim in some]
                task.batch_defer(*arguments)


_VERSION: Final = (
    "SELECT to_regclass('procrastinate_jobs') IS NOT NULL,"
    " obj_description(to_regclass('procrastinate_jobs')::oid, 'pg_class')"
)
_WAITING: Final = "SELECT count(*) FROM procrastinate_jobs WHERE queue_name = %s AND task_name = %s AND status = 'todo'"


def _migrations() -> list[str]:
    """Return the file names of Procrastinate's migrations, oldest first. Each name begins with a version."""
    folder = files("procrastinate.sql") / "migrations"
    return sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))


# --- work -------------------------------------------------------------------------------------------------------------


class JobWorker:
    """Takes jobs from the queue, and runs `run_job(host_id, token)` for each in a thread of its own.

    They are daemon threads. A thread pool would wait for its threads at the end, and a request may last a minute.
    """

    def __init__(self, uri: str, threads: int, run_job: Callable[[HostId, int], None]) -> None:
        self.threads = threads
        self._uri = uri
        self._run_job = run_job
        self._ended = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None

    def run(self) -> None:
        """Take and run jobs until `end` is called.

        Raises:
            StorageError: the database failed.
        """
        with _translated():
            asyncio.run(self._run())

    def end(self) -> None:
        """Take no more jobs, so that `run` returns after a few seconds. Any thread may call this."""
        self._ended.set()
        if self._loop is not None and self._over is not None:
            with suppress(RuntimeError):  # the loop has already ended
                self._loop.call_soon_threadsafe(self._over.set)

    async def _run(self) -> None:
        self._over = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if self._ended.is_set():
            return
        app = self._app()
        async with app.open_async():
            worker = asyncio.create_task(
                app.run_worker_async(
                    queues=[QUEUE],
                    name="aggregator",
                    concurrency=self.threads,
                    fetch_job_polling_interval=_LOOK_AGAIN,
                    shutdown_graceful_timeout=_PATIENCE,
                    delete_jobs="always",
                    install_signal_handlers=False,
                )
            )
            over = asyncio.create_task(self._over.wait())
            await asyncio.wait({worker, over}, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
            worker.cancel()
            with suppress(asyncio.CancelledError):
                await worker

    def _app(self) -> App:
        app = App(connector=PsycopgConnector(conninfo=self._uri, min_size=1, max_size=4))

        @app.task(name=VISIT, queue=QUEUE)
        async def visit_host(host_id: int, token: int) -> None:
            loop, done = asyncio.get_running_loop(), asyncio.Event()

            def work() -> None:
                try:
                    self._run_job(HostId(host_id), token)
                finally:
                    with suppress(RuntimeError):  # the loop has already ended
                        loop.call_soon_threadsafe(done.set)

            threading.Thread(target=work, name=f"visit {host_id}", daemon=True).start()
            await done.wait()

        @app.periodic(cron=_REAP_AT)
        @app.task(name=_REAP, queue=QUEUE)
        async def reap(timestamp: int) -> None:
            """Delete the jobs of processes that died. Their hosts are due again when the leases end."""
            for job in await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=_DEAD_AFTER):
                await app.job_manager.finish_job(job, Status.FAILED, delete_job=True)

        return app
