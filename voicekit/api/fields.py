"""What a request names and says is known and can be stored: a field nobody reads is an error, not a silence."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.params import Form

from voicekit.api.errors import ApiError

_PREFIX = "/v1/"
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


async def only_known_fields(request: Request) -> None:
    """A dependency of all routes. ApiError for query parameters and form fields that the route does not have, and for texts with
    characters that are none."""
    if not request.url.path.startswith(_PREFIX):
        return
    route = request.scope["route"]
    known = set(_query_names(route.dependant))
    for name, value in request.query_params.multi_items():
        if name not in known:
            raise _unknown(name, known)
        check_text(value, name)
    for name, value in request.path_params.items():
        check_text(str(value), name)
    known = {field.alias for field in route.dependant.body_params if isinstance(field.field_info, Form)}
    if known and request.headers.get("content-type", "").partition(";")[0].strip().lower() in _FORMS:
        form = await request.form()  # FastAPI has read it already
        for name, value in form.multi_items():
            if name not in known:
                raise _unknown(name, known)
            if isinstance(value, str):
                check_text(value, name)


def check_text(text: str, param: str) -> None:
    """ApiError for a text that no database keeps: with NUL, or halves of characters."""
    if "\0" in text or not _is_unicode(text):
        problem = f"{param}: the text holds a character that cannot be stored (NUL, or half of a character)."
        raise ApiError(422, "invalid_request", problem, "Send it as UTF-8, without that character.", param)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _query_names(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _query_names(inner)


def _unknown(name: str, known: set[str]) -> ApiError:
    there = f"There are: {', '.join(sorted(known))}." if known else "Leave it out."
    return ApiError(422, "invalid_request", f"{name}: there is no such field here.", there, name)
