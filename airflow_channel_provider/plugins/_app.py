"""
The routes of the page. Each of them asks for a right on connections, since Airflow protects no route of a plugin. The
one that takes webhooks asks for a token (:mod:`._webhooks`), the function endpoint for a signature
(:mod:`._functions`).

The page needs the right to read connections, and shows the apps whose connections the reader may read. To drop a token,
a person needs the right to edit one of the connections that use the app. That request can't come from a form of another
site, since Airflow's session is in a cookie. Nothing that contains a token is read here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_connection
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, JSONResponse

from airflow_channel_provider import configuration
from airflow_channel_provider.exceptions import ChannelError
from airflow_channel_provider.hooks import _overviews
from airflow_channel_provider.hooks._stores import open_store
from airflow_channel_provider.plugins import _functions, _page, _webhooks
from airflow_channel_provider.plugins._body import Json, read_body
from airflow_channel_provider.plugins._report import NO_RIGHT, report
from airflow_channel_provider.plugins._rights import Rights
from airflow_channel_provider.plugins.channel_talk import HAS_PAGE

if TYPE_CHECKING:
    from starlette.types import Scope

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 16_384

# FastAPI's own documentation pages would be public.
app = FastAPI(title="Channel Talk", docs_url=None, redoc_url=None, openapi_url=None)

_page_router = APIRouter()

_may_read = Depends(requires_access_connection(method="GET"))


def hide_query(scope: Scope) -> None:
    """Remove the query of a webhook from a request: it contains the token, and servers log the query."""
    path = str(scope.get("path", "")).removeprefix(str(scope.get("root_path", "")))
    if scope["type"] == "http" and path.startswith(_webhooks.PATH):
        query = scope.get("query_string", b"").decode("utf-8", "replace")
        scope[_webhooks.TOKEN] = {name: values[-1] for name, values in parse_qs(query).items()}
        scope["query_string"] = b""


@app.middleware("http")
async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(_page.headers())
    return response


@app.exception_handler(Exception)
def _failed(request: Request, error: Exception) -> Response:
    """Answer an unexpected error with only its class; the server logs the rest."""
    detail = f"The page failed with {type(error).__name__}; the log of the api-server says more."
    return JSONResponse({"detail": detail}, status_code=500, headers=_page.headers())


@app.exception_handler(HTTPException)
async def _refused(request: Request, error: HTTPException) -> Response:
    """Answer a refusal: with a page for a person, with JSON for a program."""
    notice = _NOTICES.get(error.status_code)
    if notice is not None and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_page.notice(*notice), status_code=error.status_code)
    return Json({"detail": error.detail}, status_code=error.status_code, headers=error.headers)


_NOTICES = {
    401: ("You are not logged in", "Log in to Airflow, then open this page again."),
    403: (
        "This page needs the right to read connections",
        "It shows the tokens and the quota behind them. An administrator of this Airflow can give you that right.",
    ),
}


@_page_router.get("/", response_class=HTMLResponse, dependencies=[_may_read])
def show_page() -> str:
    """Return the page."""
    return _page.page()


@_page_router.get("/api/quota", dependencies=[_may_read])
def show_quota(user: GetUserDep) -> JSONResponse:
    """Return the page's data; with status 200 also if the store can't be read, since this server is well."""
    return Json(report(Rights(user)))


@_page_router.post("/api/drop-token", dependencies=[_may_read])
async def drop_token(request: Request, user: GetUserDep) -> JSONResponse:
    """Drop one token."""
    key, scope = await _asked(request)
    try:
        dropped = await run_in_threadpool(_drop, Rights(user), key, scope)
    except ChannelError as error:
        raise HTTPException(409, error.message) from error
    if not dropped:
        raise HTTPException(404, "There is no such token, or it has been dropped already.")
    log.info("%s dropped the token of scope %r of app %r", user.get_name(), scope, key)
    return Json({"dropped": True})


def _drop(rights: Rights, key: str, scope: str) -> bool:
    store = open_store(configuration.store())
    connections = _overviews.connections_of(store, key)
    # A person who may not see an app does not learn that it exists.
    if connections is None or not rights.reads(connections):
        return False
    if not rights.edits(connections):
        raise HTTPException(403, NO_RIGHT)
    return _overviews.drop_token(store, key, scope)


async def _asked(request: Request) -> tuple[str, str]:
    """Read the app and the scope from a request that no form of another site can send."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Send application/json.")
    if request.headers.get("x-requested-with") != _page.REQUESTED_WITH:
        raise HTTPException(403, f"Send the header X-Requested-With: {_page.REQUESTED_WITH}.")
    content = await read_body(request, MAX_BODY_BYTES, f"Send no more than {MAX_BODY_BYTES:,} bytes.")
    body = _json_of(content)
    app_key, scope = (body.get("app"), body.get("scope")) if isinstance(body, dict) else (None, None)
    if not isinstance(app_key, str) or not isinstance(scope, str):
        raise HTTPException(400, 'Send {"app": "<key>", "scope": "<scope>"}, both of them texts.')
    return app_key, scope


def _json_of(body: bytes) -> Any:
    """Read a JSON body; None if it is not JSON, or is nested too deeply."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


app.include_router(_webhooks.router)
app.include_router(_functions.router)
if HAS_PAGE:
    app.include_router(_page_router)
