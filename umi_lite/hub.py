"""The Hugging Face hub: checks within seconds that it answers.

Its own clients retry before they give up: 25 to 50 s if the connection is refused, minutes if
nothing comes back.
"""

import http.client
import os
import ssl
from pathlib import Path

from umi_lite.errors import UserError

_PATIENCE = 5.0  # seconds


def check_model(name: str) -> None:
    """Check that the files of `base.model` are available, before anything waits for them.

    A folder only needs a config.json. If the hub does not answer but its cache has the model, this
    process and its children do not ask the hub again.

    Raises:
        UserError: no such folder or no config.json in it; or the hub does not answer and its
            cache lacks the model.
    """
    if Path(name).is_dir():
        if not (Path(name) / "config.json").is_file():
            raise UserError(f"base.model {name}: the folder holds no config.json")
        return
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:
        raise UserError(f"base.model: no such folder: {name}") from None
    if answers():
        return
    if not cached:
        raise UserError(
            f"base.model {name} is not a folder here nor in the hub's cache, and {why_silent()}: "
            "name a local folder (-o base.model=PATH)"
        )
    _go_offline()


def check_data(name: str) -> None:
    """Check that a data set is available; it is streamed, so no cache has it.

    Raises:
        UserError: the hub does not answer.
    """
    if not Path(name).exists() and not answers():
        raise UserError(
            f"hub {name} is not a folder here, and {why_silent()}: name a local file (path: FILE) "
            "or a folder of data files (hub: FOLDER)"
        )


def answers() -> bool:
    """True if the hub answers, even with a refusal; a server error or offline mode is False."""
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        with urlopen(Request(_address(), method="HEAD"), timeout=_PATIENCE):
            return True
    except HTTPError as err:
        return err.code < 500
    except URLError as err:
        # Its own client may know the certificate, so it is left to decide.
        return isinstance(err.reason, ssl.SSLCertVerificationError)
    except (OSError, ValueError, http.client.HTTPException):
        return False


def why_silent() -> str:
    """Return why the hub does not answer, for a message."""
    from huggingface_hub import constants

    offline = constants.HF_HUB_OFFLINE
    return "HF_HUB_OFFLINE is set" if offline else f"{_address()} does not answer"


def _address() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


def _go_offline() -> None:
    from huggingface_hub import constants

    os.environ["HF_HUB_OFFLINE"] = "1"
    constants.HF_HUB_OFFLINE = True
