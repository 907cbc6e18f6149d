"""Parts of long lists: at most `limit` members, under a size, with the address of the next part."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import Query, Request, Response

Record = dict[str, Any]  # checked by the response model

_LARGEST_ANSWER: Final = 800_000  # characters of the records of a list; one record may be longer

Start = Annotated[int, Query(ge=0, le=10**9, description="leave out so many", examples=[0])]
Limit = Annotated[int, Query(ge=1, le=1000, description="at most; fewer where records are long", examples=[100])]


def part_of(request: Request, response: Response, records: Iterable[Record], start: int, limit: int) -> list[Record]:
    """Return `limit` of the records from `start` on, fewer if they are long.

    `records` begin at `start`. If there are more than `limit`, `records` must have one more, so that a Link header can
    name the next part (RFC 8288).
    """
    given: list[Record] = []
    size = 0
    for record in records:
        size += len(json.dumps(record, default=str))
        if given and (len(given) == limit or size > _LARGEST_ANSWER):
            following = request.url.include_query_params(start=start + len(given), limit=limit)
            response.headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
            break
        given.append(record)
    return given
