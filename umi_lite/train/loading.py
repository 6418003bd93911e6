"""One-line errors for a base model that cannot be loaded."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from umi_lite.errors import UserError
from umi_lite.train.device import is_out_of_memory

HINT = "name another folder or model (-o base.model=PATH)"


@contextmanager
def loading(what: str, model: str) -> Iterator[None]:
    """Turn what transformers, tokenizers, safetensors and json raise for a model's files into a
    line: a file that is missing, damaged or cut short, an architecture that is not known, weights
    of other shapes than the config says.

    Args:
        what: the part that is loaded, e.g. `tokenizer`.

    Raises:
        UserError: instead of them.
    """
    try:
        yield
    except Exception as err:
        if isinstance(err, UserError) or not _is_of_files(err) or is_out_of_memory(err):
            raise
        reason = _reason(err)
        raise UserError(f"the {what} of base {model} cannot be loaded: {reason}; {HINT}") from err


def _reason(err: Exception) -> str:
    text = " ".join(str(err).split()) or type(err).__name__
    if "ignore_mismatched_sizes" in text:
        return "they have other shapes than its config.json says"
    return text.partition(". ")[0].rstrip(".")[:300]


def _is_of_files(err: Exception) -> bool:
    # tokenizers raises a bare Exception; transformers a RuntimeError for shapes.
    known = (OSError, ValueError, KeyError, ImportError, RuntimeError)
    return isinstance(err, known) or type(err).__name__ in ("SafetensorError", "Exception")


def check_whole(model: str, missing: Iterable[str]) -> None:
    """Refuse a base whose missing weights transformers would draw at random with only a warning.

    Args:
        missing: names of weights that the model's files do not hold.

    Raises:
        UserError: there are some.
    """
    names = sorted(missing)
    if names:
        raise UserError(
            f"the weights of base {model} are incomplete: {len(names)} are missing, {names[0]} "
            f"among them; {HINT}"
        )
