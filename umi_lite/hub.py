"""The Hugging Face hub: whether it answers at all, found out in seconds.

Its own clients try again and again before they say that it does not: 25 to 50 s where the
connection is refused at once, minutes where nothing comes back.
"""

import http.client
import os
import ssl
from pathlib import Path

from umi_lite.errors import UserError

_PATIENCE = 5.0  # seconds


def check_model(name: str) -> None:
    """Check that the files of `base.model` are available, before anything waits for them.

    A folder is taken as it is. Where the hub does not answer but its cache has the model, this
    process and those that it starts ask the hub no more.

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
            f"base.model {name} is not a folder here nor in the hub's cache, and {_silence()}: "
            "name a local folder (-o base.model=PATH)"
        )
    _ask_no_more()


def check_data(name: str) -> None:
    """As `check_model`, for a data set; it is streamed, so no cache has it.

    Raises:
        UserError: the hub does not answer.
    """
    if not Path(name).exists() and not answers():
        raise UserError(
            f"hub {name} is not a folder here, and {_silence()}: name a local file (path: FILE) or "
            "a folder of data files (hub: FOLDER)"
        )


def answers() -> bool:
    """True if the hub says anything but that it is out of order, or is not to be asked at all."""
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


def _silence() -> str:
    from huggingface_hub import constants

    set_so = constants.HF_HUB_OFFLINE
    return "HF_HUB_OFFLINE is set" if set_so else f"{_address()} does not answer"


def _address() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


def _ask_no_more() -> None:
    from huggingface_hub import constants

    os.environ["HF_HUB_OFFLINE"] = "1"
    constants.HF_HUB_OFFLINE = True
