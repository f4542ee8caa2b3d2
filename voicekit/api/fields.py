"""What a request names and says is known and can be stored: a field nobody reads is an error, not a silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.params import Form

from voicekit.api.errors import ApiError

_PREFIX = "/v1/"
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


async def only_known_fields(request: Request) -> None:
    """A dependency of all routes. ApiError for query parameters and form fields that the route does not have, and for texts with
    characters that are none; a single field that comes twice is one, too."""
    if not request.url.path.startswith(_PREFIX):
        return
    route = request.scope["route"]
    _check(request.query_params.multi_items(), dict(_of_address(route.dependant)))
    for name, value in request.path_params.items():
        check_text(str(value), name)
    known = {field.alias: _several(field) for field in route.dependant.body_params if isinstance(field.field_info, Form)}
    if known and request.headers.get("content-type", "").partition(";")[0].strip().lower() in _FORMS:
        _check((await request.form()).multi_items(), known)  # FastAPI has read it already


def _check(sent: Iterable[tuple[str, object]], known: Mapping[str, bool]) -> None:
    """`known` says of each field whether it takes several values. ApiError for any other, for a second value where one is taken,
    and for texts with characters that are none."""
    seen: set[str] = set()
    for name, value in sent:
        if name not in known:
            raise _unknown(name, set(known))
        if name in seen and not known[name]:
            raise ApiError(422, "invalid_request", f"{name}: it was sent twice, and one is taken.", "Send it once.", name)
        seen.add(name)
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


def _of_address(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    yield from ((field.alias, _several(field)) for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _of_address(inner)


def _several(field: Any) -> bool:
    """Whether a parameter of a route is a list."""
    kind = field.field_info.annotation
    return any(get_origin(part) is list for part in (kind, *get_args(kind)))


def _unknown(name: str, known: set[str]) -> ApiError:
    there = f"There are: {', '.join(sorted(known))}." if known else "Leave it out."
    return ApiError(422, "invalid_request", f"{name}: there is no such field here.", there, name)
