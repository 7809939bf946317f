"""Every error of the API as an RFC 9457 problem document (``application/problem+json``).

One place says which error becomes which status; handlers raise `ProblemError` or let storage's errors pass. What a
problem tells never includes internals: those go to the log.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy import exc as sqlalchemy_errors
from starlette.exceptions import HTTPException
from starlette.responses import Response

from stepwell_storage.errors import DatabaseUnavailableError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 1.0
SHOWN_CHARACTERS = 200


class InvalidParameter(BaseModel):
    """One parameter that cannot be taken as it was sent."""

    parameter: str = Field(description="Name of the parameter, as it stands in the URL")
    detail: str = Field(description="What is wrong with it")
    allowed: list[str] | None = Field(default=None, description="The values that would do, where they are a closed set")


class Problem(BaseModel):
    """An error, as RFC 9457 writes it."""

    type: str = Field(default="about:blank", description="Always `about:blank`: the status and `code` say what it is")
    title: str = Field(description="The HTTP status in words")
    status: int = Field(description="The HTTP status code")
    code: str = Field(description="Stable short name of the error, for programs")
    detail: str = Field(description="What happened and what to do about it, for people")
    errors: list[InvalidParameter] | None = Field(default=None, description="The parameters to mend, one entry each")


class ProblemError(Exception):
    """An error with its answer; raised anywhere below a handler."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        detail: str,
        *,
        errors: Sequence[InvalidParameter] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """The answer to send."""
        problem = Problem(
            title=self.status.phrase,
            status=self.status,
            code=self.code,
            detail=self.detail,
            errors=list(self.errors) or None,
        )
        body = orjson.dumps(problem.model_dump(exclude_none=True))
        return Response(body, status_code=self.status, media_type=MEDIA_TYPE, headers=self.headers)


def invalid_parameter(parameter: str, detail: str) -> ProblemError:
    """422 for one parameter."""
    error = InvalidParameter(parameter=parameter, detail=detail)
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_parameter", f"{parameter}: {detail}", errors=[error])


def not_found(detail: str) -> ProblemError:
    """404 with what was looked for."""
    return ProblemError(HTTPStatus.NOT_FOUND, "not_found", detail)


def refused(status: int, detail: str) -> Response:
    """The answer to what is turned away before any handler sees it."""
    return ProblemError(HTTPStatus(status), "refused", detail).response()


def unavailable(
    detail: str, *, code: str = "database_unavailable", retry_after_s: float = RETRY_AFTER_S
) -> ProblemError:
    """503 with the delay after which to try again, in whole seconds as HTTP wants it."""
    headers = {"Retry-After": str(max(1, math.ceil(retry_after_s)))}
    return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, code, detail, headers=headers)


def shown(value: object) -> str:
    """A value as a problem repeats it, cut to a length that a reader bears."""
    text = str(value)
    return repr(text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…")


def _of_http(error: HTTPException) -> ProblemError:
    status = HTTPStatus(error.status_code)
    detail = {
        HTTPStatus.NOT_FOUND: "There is nothing at this path; /api/v1/openapi.json lists what there is.",
        HTTPStatus.METHOD_NOT_ALLOWED: "This path does not take this method; the Allow header lists those it takes.",
    }.get(status, str(error.detail))
    return ProblemError(status, status.name.lower(), detail, headers=error.headers)


def _of_validation(error: RequestValidationError) -> ProblemError:
    errors = [invalid for told in error.errors() for invalid in _invalid_parameters(told)]
    # A time without an offset is no validation matter but an ambiguous request; the contract's times are UTC.
    is_ambiguous = any(told["type"] == "naive_time" for told in error.errors())
    status = HTTPStatus.BAD_REQUEST if is_ambiguous else HTTPStatus.UNPROCESSABLE_ENTITY
    detail = "; ".join(f"{invalid.parameter}: {invalid.detail}" for invalid in errors)
    return ProblemError(status, "invalid_parameter", detail, errors=errors)


def _invalid_parameters(told: Mapping[str, Any]) -> list[InvalidParameter]:
    context = told.get("ctx", {})
    if told["type"] == "unknown_parameter":
        known = list(context["known"])
        names = ", ".join(known) or "none"
        detail = f"There is no such parameter; known are: {names}"
        return [InvalidParameter(parameter=name, detail=detail, allowed=known or None) for name in context["unknown"]]
    name = next((str(part) for part in told["loc"][1:]), "request")
    allowed = context.get("allowed")
    return [InvalidParameter(parameter=name, detail=f"{told['msg']}, not {shown(told['input'])}", allowed=allowed)]


def _of_database(error: Exception) -> ProblemError | None:
    """What a database's error means for the client; ``None`` where it is our own mistake."""
    cause = error.orig if isinstance(error, sqlalchemy_errors.DBAPIError) else error
    if isinstance(cause, DatabaseUnavailableError):
        return unavailable("The database is not available.", retry_after_s=cause.retry_after_s)
    if isinstance(cause, psycopg.errors.QueryCanceled):
        return unavailable("The answer took too long; ask for a shorter time window or fewer filters.", code="too_slow")
    if isinstance(cause, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
        return unavailable("The database has another version's schema; run `stepwell migrate`.", code="schema_mismatch")
    if isinstance(cause, sqlalchemy_errors.TimeoutError):
        return unavailable("All database connections are in use.", code="overloaded")
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError | OSError):
        return unavailable("The database is not available.")
    return None


async def _answer_problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return error.response()


async def _answer_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _of_http(error).response()


async def _answer_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _of_validation(error).response()


async def _answer_database(request: Request, error: Exception) -> Response:
    problem = _of_database(error)
    if problem is None:
        # Starlette's outermost layer logs it and answers 500.
        raise error
    logger.warning("The database did not answer", extra={"path": request.url.path, "reason": problem.code})
    return problem.response()


async def _answer_unexpected(_: Request, __: Exception) -> Response:
    detail = "Stepwell failed to answer; its log tells why."
    return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", detail).response()


HANDLERS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    ProblemError: _answer_problem,
    HTTPException: _answer_http,
    RequestValidationError: _answer_validation,
    DatabaseUnavailableError: _answer_database,
    sqlalchemy_errors.SQLAlchemyError: _answer_database,
    psycopg.Error: _answer_database,
    Exception: _answer_unexpected,
}


def answer_with_problems(app: FastAPI) -> None:
    """Makes the application answer every error with a problem document."""
    for error, handler in HANDLERS.items():
        app.add_exception_handler(error, handler)
