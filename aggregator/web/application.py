"""Builds the web application from routes, templates, static files and middleware."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from aggregator import __version__
from aggregator.errors import StorageError
from aggregator.monitoring.metrics import CONTENT_TYPE
from aggregator.web.access import Guard
from aggregator.web.api import schemas
from aggregator.web.api.problems import problem
from aggregator.web.api.routes import api_router
from aggregator.web.etags import ETags
from aggregator.web.pace import CpuBudget, Pace
from aggregator.web.pages.routes import pages_router
from aggregator.web.pages.stream import stream_router
from aggregator.web.pages.templating import render
from aggregator.web.public_address import PublicAddress
from aggregator.web.state import Site

_HERE: Final = Path(__file__).parent
_DESCRIPTION: Final = "The corpus, its feeds and their health. Read-only, but for `refresh`."
_SCHEMES: Final = {
    "token": {"type": "http", "scheme": "bearer", "description": "the content of `[web] token_file`"},
    "password": {"type": "http", "scheme": "basic", "description": "any user name, and the token as password"},
}


def create_app(
    site: Site, *, token: str | None = None, base_url: str = "", is_busy: Callable[[], bool] | None = None
) -> FastAPI:
    """Return the web application (status page, API, Atom stream, metrics, probes) for the store of `site`.

    With a `token` every request but /healthz and /readyz must carry it. `base_url` is the public address behind a
    proxy. While `is_busy` returns True, the daemon needs the CPU, and requests wait.
    """
    app = FastAPI(
        title="aggregator",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,  # the framework's pages load their scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(api_router(site))
    app.include_router(pages_router(site, lambda: app.openapi()), include_in_schema=False)
    app.include_router(stream_router(site), include_in_schema=False)
    _complete_description(app, needs_token=token is not None)
    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
    _add_probes(app, site)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_bad_request)
    app.add_exception_handler(StorageError, _on_storage_error)
    app.add_middleware(ETags)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    if is_busy is not None:
        app.add_middleware(Pace, is_busy=is_busy, budget=CpuBudget())
    app.add_middleware(PublicAddress, base_url=base_url)
    app.add_middleware(Guard, token=token, public=urlsplit(base_url).netloc)
    return app


def _complete_description(app: FastAPI, *, needs_token: bool) -> None:
    """Add to the OpenAPI description how callers authenticate, and the null values that FastAPI drops from examples."""
    plain = app.openapi

    def described() -> dict[str, Any]:  # Any: JSON
        if app.openapi_schema is None:
            found = plain()
            found["components"]["securitySchemes"] = _SCHEMES
            found["security"] = [{name: []} for name in _SCHEMES] if needs_token else [{}]
            for name, schema in found["components"]["schemas"].items():
                if "examples" in schema:
                    schema["examples"] = [schemas.example_of(getattr(schemas, name))]
        return plain()

    app.openapi = described  # type: ignore[method-assign] # the way that the framework documents


def _add_probes(app: FastAPI, site: Site) -> None:
    @app.get("/healthz", include_in_schema=False)
    async def is_alive() -> Response:  # in the event loop: answers even where every thread waits for the store
        return PlainTextResponse("ok\n")

    @app.get("/readyz", include_in_schema=False)
    def is_ready() -> Response:
        try:
            site.store.position()  # a read: is the store there?
            ready = site.ready()
        except StorageError:
            ready = False
        return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(site.metrics(), media_type=CONTENT_TYPE)


# --- errors -----------------------------------------------------------------------------------------------------------


def _on_http_error(request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "error")
    return _error(request, status, detail)


def _on_bad_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError) or not _is_of_api(request):
        return _error(request, 404, "there is no such page")
    wrong = [
        {"where": ".".join(str(part) for part in one["loc"]), "problem": one["msg"]} for one in error.errors()
    ]  # the input is not repeated
    return problem(422, "; ".join(f"{one['where']}: {one['problem']}" for one in wrong), wrong)


def _on_storage_error(request: Request, error: Exception) -> Response:
    return _error(request, 503, f"the store cannot be read: {error}")


def _is_of_api(request: Request) -> bool:
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", "")).startswith("/api/")


def _error(request: Request, status: int, detail: str) -> Response:
    if _is_of_api(request):
        return problem(status, detail)
    return render("error.html", status=status, detail=detail, code=status)
