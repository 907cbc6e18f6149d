"""Splits long lists into parts, limited by number and size, with a link to the next part."""

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
    """Return the first `limit` of `records`, or fewer if they are long.

    `records` are up to `limit` + 1 records of a list, from number `start` on. If one of them is left over, `response`
    gets a Link header with the address of the next part (RFC 8288).
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
