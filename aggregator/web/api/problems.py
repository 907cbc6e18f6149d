"""The answers to refused API requests (problem details, RFC 9457), and their description in OpenAPI."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from fastapi import HTTPException, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

MEDIA_TYPE: Final = "application/problem+json"


class Fault(BaseModel):
    """A wrong parameter of a request, without its value."""

    where: str = Field(description="the parameter, as in `query.limit`")
    problem: str


class Problem(BaseModel):
    """Why a request was refused, as problem details (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="the status in words")
    status: int
    detail: str = Field(description="what is wrong, and what to do")
    errors: list[Fault] = Field(default=[], description="each wrong parameter (422)")


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> Response:
    """Return the answer to a refused request: problem details as JSON."""
    return Response(problem_body(status, detail, errors), status, media_type=MEDIA_TYPE)


def problem_body(status: int, detail: str, errors: list[dict[str, str]] | None = None) -> bytes:
    """Return problem details as JSON. `errors` are the wrong parameters, as fields of `Fault`."""
    facts: dict[str, object] = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    facts["detail"] = detail
    if errors:
        facts["errors"] = errors
    return json.dumps(facts, ensure_ascii=False).encode()


_DESCRIBED: Final = {
    304: "nothing has changed since the answer with this ETag",
    401: "a token is needed",
    403: "another site asked a browser for this",
    404: "there is no such thing",
    409: "not now, or not from this cursor: `detail` says what to do",
    421: "this name is not served without a token",
    422: "a parameter is wrong or unknown: `errors` say which",
    503: "the store cannot be read, or this process does not do this",
}


def statuses(*more: int) -> dict[int | str, dict[str, Any]]:  # Any: OpenAPI
    """Return the OpenAPI description of a route's error statuses: those that every route has, and `more`."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schema["properties"]["errors"]["items"] = schema.pop("$defs")["Fault"]
    return {
        status: {"description": _DESCRIBED[status]}
        | ({} if status == 304 else {"content": {MEDIA_TYPE: {"schema": schema}}})
        for status in sorted({401, 421, 422, 503, *more})
    }


def refuse_unknown(request: Request) -> None:
    """Refuse a request with a parameter that the route does not have. A misspelt filter must not mean "no filter".

    Raises:
        HTTPException: there is such a parameter (422).
    """
    route = request.scope["route"]
    known = set(_parameters(route.dependant)) if isinstance(route, APIRoute) else set()
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise HTTPException(422, f"unknown parameter {', '.join(map(repr, unknown))}; this route has {names}")


def _parameters(dependant: Dependant) -> Iterator[str]:
    for field in dependant.query_params:
        yield field.alias
    for inner in dependant.dependencies:
        yield from _parameters(inner)
