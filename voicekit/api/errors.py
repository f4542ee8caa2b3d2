"""One shape for every error: {"error": {code, message, remedy, type, param, request_id}}, codes as in voicekit.errors."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Sequence
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
_NO_OBJECT = ("model_attributes_type", "dict_type", "missing")
_CODES = {404: "not_found", 405: "method_not_allowed", 416: "bad_range"}
# What a request says of itself is repeated in an answer, not all of it: a name may be as long as a body.
_MOST_SAID, _MOST_NAMED = 1000, 200
_FIELD = re.compile(r"[A-Za-z_][\w-]*")
# Kinds of messages and of their parts: in the place of a fault they stand behind a number, as fields stand behind names.
_ROLES = ("user", "assistant", "system", "developer", "text", "input_audio", "refusal")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_UNREADABLE = "There was an error parsing the body"


class ApiError(VoicekitError):
    """What only this door knows: authorisation, limits, states that do not allow what was asked."""

    def __init__(self, status: int, code: str, problem: str, remedy: str = "", param: str | None = None) -> None:
        super().__init__(problem, remedy)
        self.status = status
        self.error_code = code
        self.param = param


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
    message, remedy = without_places(_cut(message, _MOST_SAID)), without_places(_cut(remedy, _MOST_SAID))
    kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {
        "error": {
            "code": code,
            "message": message,
            "remedy": remedy,
            "type": kind,
            "param": None if param is None else _cut(without_places(_cut(param, _MOST_NAMED)), _MOST_NAMED),
            "request_id": str(getattr(request.state, "request_id", "")),
        }
    }


def without_places(text: str) -> str:
    """A text for somebody elsewhere: of this machine's files only their names, nothing of its database, all of it Unicode."""
    known = _FILE.sub(lambda found: found[0].rstrip("/").rpartition("/")[2], _DATABASE.sub("the database", text))
    return _CONTROL.sub("?", known.encode("utf-8", "replace").decode())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


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
    fault = _nearest(error.errors())
    if fault["type"] == "json_invalid":
        said = f"The body is not valid JSON: {fault['ctx']['error']} at character {fault['loc'][-1]}."
        return _answer(422, _shape(request, 422, "invalid_request", said, "Mend it there; see /docs."))
    if fault["type"] in _NO_OBJECT and tuple(fault["loc"]) == ("body",):
        remedy = "Send JSON with Content-Type: application/json; see /docs."
        return _answer(422, _shape(request, 422, "invalid_request", "The body is not a JSON object.", remedy))
    where, said, remedy = ".".join(_place(fault)), str(fault["msg"]).removeprefix("Value error, "), "See /docs."
    if fault["type"] == "extra_forbidden":
        said = "this is not supported"
    elif "UploadFile" in said:
        said, remedy = "a file is expected, and this is text", f"Send it as a part of multipart/form-data: -F {where}=@FILE."
    message = f"{where}: {said}." if where else f"{said}."
    return _answer(422, _shape(request, 422, "invalid_request", message, remedy, where or None))


def _nearest(faults: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first fault; where a value may be of several kinds, that of the kind which fits it longest."""
    first = tuple(faults[0]["loc"])
    chosen = next((n for n, part in enumerate(first) if _is_kind(part)), None)
    if chosen is None or faults[0]["type"] == "extra_forbidden":
        return faults[0]
    of_the_value = [fault for fault in faults if tuple(fault["loc"])[:chosen] == first[:chosen]]
    return max(of_the_value, key=lambda fault: (len(fault["loc"]), not fault["type"].endswith("_type")))


def _is_kind(part: object) -> bool:
    """Whether a part of a fault's place names the kind that a value was held for: no field of a request is called so."""
    return isinstance(part, str) and (part == "str" or part[:1].isupper() or not _FIELD.fullmatch(part))


def _place(fault: dict[str, Any]) -> list[str]:
    """The names and numbers that lead to a value, without where in the request it stands and which kind it was held for."""
    found: list[str] = []
    _, *parts = fault["loc"]
    for n, part in enumerate(parts):
        role = n > 0 and isinstance(parts[n - 1], int) and part in _ROLES
        unknown = n == len(parts) - 1 and fault["type"] == "extra_forbidden"
        if unknown or not (role or _is_kind(part)):
            found.append(str(part))
    return found


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, Refused):
        return answer(request, error.error)
    code = _CODES.get(error.status_code, "invalid_request")
    said, remedy = str(error.detail).rstrip("."), "See /docs."
    if said == _UNREADABLE:
        said, remedy = "The body cannot be read as JSON", "Send UTF-8, with less nesting and shorter numbers; see /docs."
    made = _answer(error.status_code, _shape(request, error.status_code, code, f"{said}.", remedy))
    made.headers.update(error.headers or {})
    return made


def unknown(request: Request, error: Exception) -> JSONResponse:
    """The answer to what should not have happened; where it happened is logged."""
    # The message may hold what the user said: the place of the fault is logged, its words are not.
    frames = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(error.__traceback__)[-8:]]
    fields = {"kind": type(error).__name__, "frames": frames, "id": getattr(request.state, "request_id", "")}
    _log.error("failure", extra={"fields": fields})
    return _answer(500, _shape(request, 500, "internal", "Something went wrong inside voicekit.", "The server's log has more."))
