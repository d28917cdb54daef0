"""What goes over the wire: views as JSON, problems as RFC 9457, requests as strict models.

Decimals are plain strings, instants ISO-8601 with `Z`. An answer never repeats what was sent.
"""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trader.money import plain

JSON_DEPTH_MAX = 20
PROBLEM_TYPE = "application/problem+json"


class Refusal(Exception):
    """A request that will not be served; becomes the problem it describes."""

    def __init__(self, status: int, title: str, detail: str = "", *, fields: tuple[str, ...] = ()):
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.fields = fields  # of a bad request: "limit: must be at most 500"


def encoded(value: object) -> bytes:
    """JSON of views, and of lists and mappings of views."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_UTC_Z)


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not a thing of the wire")


def answer(value: object, status: int = 200) -> web.Response:
    """A JSON response."""
    return web.Response(body=encoded(value), status=status, content_type="application/json")


def problem(refusal: Refusal, *, request_id: str) -> web.Response:
    """The one shape of every error."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": refusal.title,
        "status": refusal.status,
        "trace_id": request_id,
    }
    if refusal.detail:
        body["detail"] = refusal.detail
    if refusal.fields:
        body["errors"] = list(refusal.fields)
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == 401 else {}
    return web.Response(
        body=encoded(body), status=refusal.status, content_type=PROBLEM_TYPE, headers=headers
    )


# -------------------------------------------------------------------------------------- requests


class Asked(BaseModel):
    """What a caller may send: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]
Reason = Annotated[str, Field(min_length=1, max_length=500)]


class AskedPage(Asked):
    """Query of a list."""

    session: Id | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100
    after: Id | None = None


class AskedOrders(AskedPage):
    """Query of the orders."""

    open: bool = False


class AskedNewest(Asked):
    """Query of what has no pages."""

    limit: Annotated[int, Field(ge=1, le=500)] = 100


class AskedBars(AskedNewest):
    """Query of the bars; `follow` keeps the answer open, one JSON object a line."""

    follow: bool = False


class AskedNothing(Asked):
    """Query of a resource that takes none."""


class AskedHalt(Asked):
    """Body of halt, and of close."""

    reason: Reason


class AskedResume(Asked):
    """Body of resume."""

    reason: Reason
    confirmation: Annotated[str, Field(max_length=64)]


class AskedReconcile(Asked):
    """Body of reconcile; no session means all."""

    session: Id | None = None


A = TypeVar("A", bound=Asked)


def asked_in_query(model: type[A], request: web.Request) -> A:
    """The query as a model. Raises Refusal; a key given twice is refused."""
    if len(request.query) != len(set(request.query)):
        raise Refusal(400, "bad query", "a key stands there twice")
    return _checked(model, dict(request.query), "bad query")


async def asked_in_body(model: type[A], request: web.Request) -> A:
    """The body as a model. Raises Refusal: not JSON, twice the same key, NaN, too deep."""
    if request.content_type != "application/json":
        raise Refusal(415, "not JSON", "send Content-Type: application/json")
    if request.headers.get("Content-Encoding"):
        raise Refusal(415, "compressed", "send the body as it is")
    raw = await request.read()
    if max(raw.count(b"["), raw.count(b"{")) > JSON_DEPTH_MAX:
        raise Refusal(400, "bad body", "nested too deeply")
    try:
        body = json.loads(raw, object_pairs_hook=_without_repeats, parse_constant=_no_constant)
    except ValueError:
        raise Refusal(400, "bad body", "not the JSON that is taken here") from None
    return _checked(model, body, "bad body")


def _checked(model: type[A], given: object, title: str) -> A:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        known = model.model_fields
        fields = tuple(
            f"{detail['loc'][0]}: {detail['msg']}"
            if detail["loc"] and detail["loc"][0] in known
            else "a field that is not taken here"
            for detail in error.errors(include_url=False, include_input=False)
        )
        raise Refusal(400, title, fields=fields) from None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ValueError("a key stands there twice")
    return body


def _no_constant(_: str) -> None:
    raise ValueError("NaN and infinities are not JSON")
