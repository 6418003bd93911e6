"""Errors of requests, in the form of OpenAI's API."""

from typing import Any


class BadRequest(Exception):
    """A request that is refused.

    Args:
        message: what is wrong with which field, in one line.
        param: the field, e.g. `tools.0.function.name`.
        status: of HTTP, default 400.
        code: OpenAI's name of the error, if it has one.
    """

    def __init__(
        self, message: str, param: str | None = None, *, status: int = 400, code: str | None = None
    ):
        super().__init__(message)
        self.param, self.status, self.code = param, status, code

    def json(self) -> dict[str, Any]:
        """Return the body of the response."""
        return error_json(str(self), self.status, param=self.param, code=self.code)


def error_json(
    message: str, status: int, *, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """Return `{"error": {message, type, param, code}}`."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
