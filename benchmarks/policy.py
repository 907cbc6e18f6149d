"""The daemon's own polling decision, for the simulator of publication traces.

`factory(knob)` gives a policy; polls fall as the knob, the schedule's threshold, grows. Imports the installed package
only. What the simulator knows of a feed is turned into a `Feed` and its `PublicationStats`; the decision is that of
`aggregator.schedule.next_poll_at`, jitter included.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from aggregator.models.feeds import Feed, FeedState, FeedStatus
from aggregator.models.ids import FeedId
from aggregator.schedule.due_times import PollPolicy, next_poll_at, update_stats


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


class SchedulePolicy:
    """One feed's side of the simulation: remembers by `update_stats`, decides by `next_poll_at`."""

    def __init__(self, knob: float, seed: int = 0) -> None:
        self._policy = PollPolicy(threshold=knob)
        self._random = Random(seed)
        self._feed: Feed | None = None

    def next_interval(self, st: Any, now: float, hints: Any) -> float:
        """Return the seconds until the next poll; `st` and `now` are the simulator's."""
        at, known = _at(now), sorted(st.known)
        if self._feed is None:
            new = known
            state = FeedState(due_at=at, status=FeedStatus.OK)
            self._feed = Feed(
                id=FeedId(1),
                url="http://feed.example/",
                host="feed.example:80",
                name="",
                interval=None,
                tags=(),
                full_text=True,
                enabled=True,
                state=state,
            )
        else:
            new = known[len(known) - st.polls[-1][1] :]
        state = self._feed.state
        stats = update_stats(
            state.stats, [_at(time) for time in new], window=st.window, polled_at=state.polled_at, now=at
        )
        self._feed = replace(self._feed, state=replace(state, polled_at=at, succeeded_at=at, stats=stats))
        due_at = next_poll_at(self._feed, now=at, policy=self._policy, random=self._random)
        return (due_at - at).total_seconds()


def factory(knob: float) -> SchedulePolicy:
    """Return a fresh policy for one feed; `knob` is the threshold of the schedule."""
    return SchedulePolicy(knob)
