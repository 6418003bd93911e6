"""A bundle uploaded to the Hugging Face hub: its own files and card, in one commit or not at all.

Nothing else of the folder is sent: no training data, no run.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from umi_lite.bundle.bundle import Bundle
from umi_lite.bundle.card import CARD, own_card
from umi_lite.bundle.spec import SPEC
from umi_lite.bundle.verify import check_unchanged
from umi_lite.errors import UserError
from umi_lite.hub import answers, why_silent

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# What the hub itself puts into a new repository.
_HUBS_OWN = {".gitattributes"}
_LONGEST = 300  # characters of an error that comes from elsewhere


def check_push(repo: str) -> None:
    """Check what an upload needs, within seconds and before anything is exported.

    Args:
        repo: `OWNER/NAME`.

    Raises:
        UserError: no such name, no token, or the hub does not answer.
    """
    from huggingface_hub import get_token
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repo)
    except HFValidationError:
        repo = ""
    if repo.count("/") != 1:
        raise UserError(
            "--push-to-hub takes OWNER/NAME: letters, digits, '-', '_' and '.', at most 96 of them"
        )
    if get_token() is None:
        raise UserError("no token of the hub is here: hf auth login, or set HF_TOKEN")
    if not answers():
        raise UserError(f"{repo} cannot be uploaded: {why_silent()}")


def push(
    bundle: Bundle,
    repo: str,
    *,
    private: bool = False,
    note: Callable[[str], None] = lambda _: None,
) -> str:
    """Upload a bundle to a model repository, which is created if needed; return its address.

    A card that was edited on the hub is kept there.

    Args:
        repo: `OWNER/NAME`; an older bundle in it is replaced.
        private: create it as a private one.
        note: called with lines that are worth reading.

    Raises:
        UserError: see `check_push`; the repository holds something else or is public in spite of
            `private`, a file changed since export, or the hub refused. Nothing is published then.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    check_push(repo)
    files = _files(bundle)
    api = HfApi(library_name="umi_lite")
    with _one_line(repo):
        if (there := _repository(api, repo)) is None:
            api.create_repo(repo, private=private or None)  # an owner may have another default
            there = set()
        elif private and not api.model_info(repo).private:
            raise UserError(f"{repo} is public on the hub: change that there, or omit --private")
        if there - _HUBS_OWN and SPEC not in there:
            raise UserError(
                f"{repo} holds something that is not a bundle ({min(there - _HUBS_OWN)}): "
                "name another repository"
            )
        if CARD in there and _edited(api, repo):
            files.remove(CARD)
            note(f"the card of {repo} was edited on the hub: it is kept")
        added = [CommitOperationAdd(name, bundle.path / name) for name in files]
        api.create_commit(repo, added, commit_message="Bundle of umi_lite")
        missing = set(files) - (_repository(api, repo) or set())
    if missing:
        raise UserError(
            f"{repo} lacks {', '.join(sorted(missing))} after the upload: the hub left it out "
            "(a .gitignore there?)"
        )
    return f"{api.endpoint}/{repo}"


def _files(bundle: Bundle) -> list[str]:
    """Return the names of the bundle's files after checking that they are unchanged."""
    spec = bundle.spec
    entries = [*spec.views.values(), *spec.phrases.values()]
    if spec.base.package is None:
        entries = [spec.base, *entries]
    for entry in entries:
        check_unchanged(bundle.path / entry.file, entry, "file")
    named = [SPEC, CARD] if (bundle.path / CARD).is_file() else [SPEC]
    return [*named, *(entry.file for entry in entries)]


def _repository(api: "HfApi", repo: str) -> set[str] | None:
    """Return the names of a repository's files; None for a repository that does not exist."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(repo)
    except RepositoryNotFoundError as err:
        if err.response.status_code == 401:
            raise
        return None
    return {file.rfilename for file in info.siblings or ()}


def _edited(api: "HfApi", repo: str) -> bool:
    """True if the repository's card is not one that export wrote."""
    with tempfile.TemporaryDirectory() as work:
        api.hf_hub_download(repo, CARD, local_dir=work)
        return own_card(Path(work)) is not None


@contextmanager
def _one_line(repo: str) -> Iterator[None]:
    """Turn what the hub or the network refuse into one line.

    Raises:
        UserError: instead of the errors of `huggingface_hub` and of its HTTP client.
    """
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except (HfHubHTTPError, httpx.HTTPError, OSError, RuntimeError, ValueError) as err:
        cause: BaseException | None = err
        while cause is not None and not isinstance(cause, (HfHubHTTPError, httpx.HTTPError)):
            cause = cause.__cause__
        response = getattr(cause, "response", None)
        if response is None:
            # The hub may have received all of it.
            raise UserError(
                f"the upload to {repo} was interrupted before the hub confirmed it "
                f"({_said(cause or err)}): run it again"
            ) from err
        why = _why(response.status_code, cause)
        raise UserError(f"{repo} was not uploaded, nothing was published: {why}") from err


def _why(status: int, err: Any) -> str:
    if status == 401:
        return "the hub does not accept the token (401): hf auth login, or set HF_TOKEN"
    if status == 403:
        return "the token may not write there (403): take one with write access to that owner"
    if status >= 500 or status == 429:
        return f"the hub is not available ({status}); run it again later"
    return f"the hub refused ({status}): {getattr(err, 'server_message', None) or _said(err)}"


def _said(err: BaseException) -> str:
    """Return an error's text in one line."""
    return " ".join(str(err).split())[:_LONGEST] or type(err).__name__
