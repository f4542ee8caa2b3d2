"""One shape for every error: {"error": {code, message, remedy, type, param, request_id}}, codes as in voicekit.errors."""

from __future__ import annotations

import logging
import re
import traceback
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from voicekit.errors import (
    Cancelled,
    CatalogAway,
    InputError,
    NameTaken,
    NotPublishable,
    ResourceError,
    UsageError,
    VoicekitError,
    VoiceRevoked,
)

_log = logging.getLogger("voicekit.api")
_DATABASE = re.compile(r"\b(?:sqlite|postgres(?:ql)?)(?:\+\w+)?://\S+")
# An absolute path of two parts or more; what begins like a route of this server is one.
_FILE = re.compile(r"(?<![\w./:])/(?!v1/|docs\b|health\b|studio\b)(?:[^\s'\"():;,]+/)+[^\s'\"():;,]*")
_NO_OBJECT = ("model_attributes_type", "dict_type")
_CODES = {404: "not_found", 405: "method_not_allowed"}


class ApiError(VoicekitError):
    """What only this door knows: authorisation, limits, states that do not allow what was asked."""

    def __init__(self, status: int, code: str, problem: str, remedy: str = "", param: str | None = None) -> None:
        super().__init__(problem, remedy)
        self.status = status
        self.error_code = code
        self.param = param


_UNREADABLE = "There was an error parsing the body"  # FastAPI's words for all that is no JSONDecodeError


class Refused(HTTPException):
    """An error met while a body is read, where only this kind of exception comes through."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.status, error.problem)
        self.error = error


class ClientGone(Exception):
    """Nobody is there any more to be answered."""


def install(app: FastAPI) -> None:
    """Every error of the application in the one shape; what nobody expected is answered by logs.RequestLog."""
    app.add_exception_handler(VoicekitError, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


def body(error: VoicekitError, request: Request) -> dict[str, Any]:
    """The error as the JSON that answers carry, streamed ones too."""
    code = error.error_code if isinstance(error, ApiError) else error.code
    param = error.param if isinstance(error, ApiError) else None
    return _shape(request, status_of(error), code, error.problem, error.remedy, param)


def status_of(error: VoicekitError) -> int:
    match error:
        case ApiError():
            return error.status
        case NameTaken() | VoiceRevoked() | NotPublishable() | Cancelled():
            return 409
        case UsageError():
            return 404 if error.code.endswith("_not_found") else 400
        case InputError():
            return 422
        case ResourceError() | CatalogAway():
            return 503
        case _:
            return 500


def _shape(request: Request, status: int, code: str, message: str, remedy: str, param: str | None = None) -> dict[str, Any]:
    message, remedy = without_places(message), without_places(remedy)
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {
        "error": {
            "code": code,
            "message": message,
            "remedy": remedy,
            "type": kind,
            "param": param,
            "request_id": str(getattr(request.state, "request_id", "")),
        }
    }


def without_places(text: str) -> str:
    """A text for somebody elsewhere: of this machine's files only their names, nothing of its database, all of it Unicode."""
    known = _FILE.sub(lambda found: found[0].rstrip("/").rpartition("/")[2], _DATABASE.sub("the database", text))
    return known.encode("utf-8", "replace").decode()


def _answer(status: int, content: dict[str, Any]) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {"Retry-After": "2"} if status in (429, 503) else {}
    return JSONResponse(content, status, headers)


def answer(request: Request, error: VoicekitError) -> JSONResponse:
    return _answer(status_of(error), body(error, request))


async def _known(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, VoicekitError)
    return answer(request, error)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fault = error.errors()[0]
    if fault["type"] == "json_invalid":
        said = f"The body is not valid JSON: {fault['ctx']['error']} at character {fault['loc'][-1]}."
        return _answer(422, _shape(request, 422, "invalid_request", said, "Mend it there; see /docs."))
    if fault["type"] in _NO_OBJECT and tuple(fault["loc"]) == ("body",):
        remedy = "Send JSON with Content-Type: application/json; see /docs."
        return _answer(422, _shape(request, 422, "invalid_request", "The body is not a JSON object.", remedy))
    where = ".".join(str(part) for part in fault["loc"] if part != "body")
    said = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        said = "this is not supported"
    message = f"{where}: {said}." if where else f"{said}."
    return _answer(422, _shape(request, 422, "invalid_request", message, "See /docs.", where or None))


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, Refused):
        return answer(request, error.error)
    code = _CODES.get(error.status_code, "invalid_request")
    said = f"{error.detail}."
    if error.detail == _UNREADABLE and request.headers.get("content-type", "").startswith("application/json"):
        said = "The body cannot be read as JSON: it is not UTF-8, nests too deeply, or holds a number that is too long."
    made = _answer(error.status_code, _shape(request, error.status_code, code, said, "See /docs."))
    made.headers.update(error.headers or {})
    return made


def unknown(request: Request, error: Exception) -> JSONResponse:
    """The answer to what should not have happened; where it happened is logged."""
    # The message may hold what the user said: the place of the fault is logged, its words are not.
    frames = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)[-8:]]
    fields = {"kind": type(error).__name__, "frames": frames, "id": getattr(request.state, "request_id", "")}
    _log.error("failure", extra={"fields": fields})
    return _answer(500, _shape(request, 500, "internal", "Something went wrong inside voicekit.", "The server's log has more."))
