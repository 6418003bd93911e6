"""An OpenAI-compatible endpoint: its address, its client, and one-line errors of its requests."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from umi_lite.errors import UserError

_T = TypeVar("_T")
_FORM = "http://HOST:PORT/v1#MODEL"
TIMEOUT = 120.0
_TRIES = 3
_SHOWN = 300
# What reading a reply raises that does not follow the API.
MALFORMED = (ValueError, TypeError, AttributeError, KeyError, IndexError)


@dataclass(frozen=True)
class Endpoint:
    """Where a role is served: the API's root (`…/v1`) and the served model's name."""

    url: str
    model: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `http://host:8000/v1#planner`.

        Raises:
            UserError: the text has another form.
        """
        url, _, model = text.partition("#")
        if not url.startswith(("http://", "https://")) or not model:
            raise UserError(f"endpoint {text!r}: right is {_FORM}")
        return cls(url.rstrip("/"), model)

    def client(self, timeout: float, **options: Any) -> Any:
        """Return the official client of the API; the key is read from OPENAI_API_KEY.

        Args:
            timeout: seconds without a byte after which a request is given up.
            options: passed to the client.
        """
        import openai

        key = os.environ.get("OPENAI_API_KEY", "none")
        return openai.OpenAI(base_url=self.url, api_key=key, timeout=timeout, **options)

    def failure(self, err: Exception, timeout: float) -> UserError:
        """Return one line on a request that failed: the cause, and what may be wrong.

        Args:
            err: what the client raised, or what reading its reply raised.
            timeout: the client's, in seconds.
        """
        import openai

        reason = " ".join(str(err).split())
        status = getattr(err, "status_code", None)
        response = getattr(err, "response", None)
        kind = response.headers.get("content-type", "") if response is not None else ""
        page = "html" in kind or re.search(r"<(!doctype|html|head|body)\b", reason, re.IGNORECASE)
        if isinstance(err, openai.APITimeoutError):
            reason = f"no answer within {timeout:g} s (--timeout)"
        elif isinstance(err, openai.APIConnectionError) and err.__cause__ is not None:
            reason = f"{reason} ({' '.join(str(err.__cause__).split())})"
        elif page:
            reason = f"status {status or 200}, an HTML page and not the API"
        elif isinstance(err, MALFORMED):
            reason = f"its answer is not of the API's form: {reason}"
        rooted = urlsplit(self.url).path.endswith("/v1")
        if not rooted and (status == 404 or page or isinstance(err, MALFORMED)):
            reason = f"{reason[:_SHOWN]}; is /v1 missing? right is {_FORM}"
        return UserError(f"endpoint {self.url} ({self.model}): {reason[: 2 * _SHOWN]}")


def tried(ask: Callable[[], _T]) -> _T:
    """Ask again if a server is busy or a connection broke, but not after a time-out."""
    import openai

    for pause in (0.5 * 2**attempt for attempt in range(_TRIES - 1)):
        try:
            return ask()
        except openai.APITimeoutError:
            raise
        except (openai.APIConnectionError, openai.RateLimitError, openai.InternalServerError):
            time.sleep(pause)
    return ask()
