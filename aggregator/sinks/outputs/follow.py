"""Delivers changes to one output: in order, at least once, without a gap. Knows no format."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from aggregator.errors import AggregatorError
from aggregator.ports.protocols import Clock
from aggregator.ports.readings import Change
from aggregator.ports.store import Store

logger = logging.getLogger(__name__)

_BATCH: Final = 100  # changes per delivery; a crash repeats no more than these
_LOCK_WAIT: Final = timedelta(0)
_OUTPUTS: Final = "outputs"  # a fact of the store: name and folder of each


class DeliveryError(AggregatorError):
    """An output did not take a batch of changes. The next attempt is made after `retry_after` at the earliest."""

    def __init__(self, detail: str, retry_after: timedelta = timedelta(0)) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Output(Protocol):
    """A receiver of changes, such as a folder, an HTTP address or a program."""

    @property
    def name(self) -> str:
        """The name under which the store keeps the number of the last delivered change."""

    @property
    def folder(self) -> str:
        """The id of the folder that the output fills; "": it fills none.

        A folder with a new id gets all changes from the first.

        Raises:
            DeliveryError: the folder cannot be used.
        """

    def deliver(self, changes: Sequence[Change], epoch: str) -> None:
        """Deliver the changes, in order; return when the receiver keeps them.

        `epoch` identifies the store that numbered them.

        Raises:
            DeliveryError: some or all changes were not taken. The same batch is delivered again later.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The result of `Follower.advance`.

    `delivered` is the number of changes delivered. `wait` is the time after which another call may succeed. `problem`
    is the error of a delivery that failed, or "".
    """

    delivered: int = 0
    wait: timedelta | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """How long a `Follower` waits.

    `first` is the wait after the first failure. `longest` is the longest wait after later failures, unless the receiver
    asks for more. `look` is the pause between two looks for new changes.
    """

    first: timedelta = timedelta(seconds=5)
    longest: timedelta = timedelta(hours=1)
    look: timedelta = timedelta(seconds=2)


class Follower:
    """Delivers changes to one output, and waits longer after each failure. Only one thread at a time may use it."""

    def __init__(self, output: Output, store: Store, clock: Clock, waits: Waits = Waits()) -> None:  # frozen
        self.output = output
        self._waits = waits
        self._store = store
        self._clock = clock
        self._failures = 0
        self._reason: str | None = None  # the stored reason why the output fails; None: it was not read yet
        self._not_before = 0.0  # by the monotonic clock

    def advance(self) -> Progress:
        """Deliver the next batch. Deliver nothing while the wait after a failure lasts or another process delivers."""
        left = self._not_before - self._clock.monotonic()
        if left > 0:
            return Progress(wait=timedelta(seconds=left))
        with self._store.delivering(self.output.name, _LOCK_WAIT) as held:
            if not held:
                return Progress(wait=self._waits.first)
            try:
                folder = self.output.folder
                changes = self._store.changes_after(self._store.delivered(self.output.name, folder), _BATCH)
                if changes:
                    self.output.deliver(changes, self._store.position().epoch)
            except DeliveryError as error:
                return self._back_off(error)
            if changes:
                self._store.set_delivered(self.output.name, folder, changes[-1].seq)
        self._recover()
        return Progress(delivered=len(changes), wait=None if changes else timedelta(0))

    def _back_off(self, error: DeliveryError) -> Progress:
        """Begin the wait after a failure. The wait doubles with each failure in a row, up to `Waits.longest`.

        If the receiver asks for a longer wait, that wait is used.
        """
        wait = max(min(self._waits.first * 2 ** min(self._failures, 16), self._waits.longest), error.retry_after)
        self._failures += 1
        self._not_before = self._clock.monotonic() + wait.total_seconds()
        if self._failures == 1:
            logger.warning("output fails", extra={"output": self.output.name, "reason": str(error)})
            self._reason = str(error)
            self._store.write_fact(fact_name(self.output.name), self._reason)
        return Progress(wait=wait, problem=str(error))

    def _recover(self) -> None:
        if self._reason is None:  # an earlier process may have stored one
            self._reason = self._store.read_fact(fact_name(self.output.name)) or ""
        if self._reason:
            logger.warning("output works again", extra={"output": self.output.name})
            self._store.write_fact(fact_name(self.output.name), "")
            self._reason = ""
        self._failures = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputState:
    """The number of changes that an output lacks (`behind`), and why it fails (`problem`, "" while it works)."""

    name: str
    behind: int
    problem: str


def note_outputs(store: Store, outputs: Sequence[Output]) -> None:
    """Store the names and folders of the outputs, since the process of the status page may have no configuration."""
    folders = {}
    for output in outputs:
        with suppress(DeliveryError):  # its follower reports the error
            folders[output.name] = output.folder
    store.write_fact(_OUTPUTS, json.dumps([[output.name, folders.get(output.name, "")] for output in outputs]))


def output_states(store: Store) -> tuple[OutputState, ...]:
    """Return the state of each output that the last `note_outputs` stored."""
    last = store.position().seq
    return tuple(
        OutputState(
            name=name, behind=last - store.delivered(name, folder), problem=store.read_fact(fact_name(name)) or ""
        )
        for name, folder in json.loads(store.read_fact(_OUTPUTS) or "[]")
    )


def fact_name(output: str) -> str:
    """Return the name of the stored fact that tells why `output` fails. The fact is "" while the output works."""
    return f"output {output}"
