"""Checks of a bundle's files; each error is one line with the file and what to do."""

import hashlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

from umi_lite.bundle.spec import AGAIN, SPEC, AnyFile, File
from umi_lite.engine.context import Context
from umi_lite.engine.gguf import read_header
from umi_lite.engine.llama import Model
from umi_lite.engine.machine import cores
from umi_lite.errors import UserError
from umi_lite.files import known_sha256, sha256

_F = TypeVar("_F", bound=AnyFile)


def describe(path: Path, kind: type[_F]) -> _F:
    """Return a file's entry in the manifest."""
    return kind(file=path.name, size=path.stat().st_size, sha256=sha256(path))


def template_hash(base: Path, header: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the chat template in a base GGUF's metadata.

    Raises:
        UserError: it has no template.
    """
    template = header.get("tokenizer.chat_template")
    if not isinstance(template, str):
        raise UserError(f"base {base} has no chat template: take a GGUF of an instruct model")
    return hashlib.sha256(template.encode("utf-8")).hexdigest()


def check_adapter(path: Path, header: Mapping[str, Any], architecture: str, what: str) -> None:
    """Check that a GGUF is a LoRA for a base of this architecture.

    Raises:
        UserError: it is a model, or one of another architecture.
    """
    if header.get("general.type") != "adapter":
        raise UserError(
            f"{what} {path} is not a LoRA adapter: take the GGUF that export made of one"
        )
    own = header.get("general.architecture")
    if own != architecture:
        raise UserError(
            f"{what} {path} is for architecture {own!r}, the base is {architecture!r}: "
            "train and export it on this base"
        )


def check_base(path: Path, header: Mapping[str, Any]) -> None:
    """Check that a GGUF is a model.

    Raises:
        UserError: it is an adapter, or has no architecture.
    """
    if "general.architecture" not in header or header.get("general.type") == "adapter":
        raise UserError(f"base {path} is not a model: take the GGUF of a whole model")


def verified(path: Path, entry: File, what: str) -> dict[str, Any]:
    """Return the metadata of a file after checking that it is unchanged since export.

    Raises:
        UserError: it is missing, cut off, changed, or not a GGUF.
    """
    header = read_header(path, what)
    check_unchanged(path, entry, what)
    return header


def check_unchanged(path: Path, entry: AnyFile, what: str) -> None:
    """Check that a file is unchanged since export.

    Raises:
        UserError: it is missing, cut off or changed.
    """
    try:
        size = path.stat().st_size
    except OSError as err:
        raise UserError(f"{what} {path}: {err.strerror}: copy it again, or {AGAIN}") from None
    if size < entry.size:
        raise UserError(f"{what} {path} is cut off ({size} of {entry.size} bytes): copy it again")
    if size != entry.size or known_sha256(path) != entry.sha256:
        raise UserError(
            f"{what} {path} is not the file that was exported (its SHA-256 differs from "
            f"{SPEC}): copy it again, or {AGAIN}"
        )


Name = TypeVar("Name")
_TEXT = "The task needs one tool call."
# On one machine the same graph gives the same logits to the last bit, while one optimizer
# step at a learning rate of 1e-4 moves them by 0.8 (SmolLM2-135M, all linear layers).
SMALLEST_CHANGE = 1e-4


def check_changes(base: Path, adapters: Mapping[Name, Path]) -> dict[Name, float]:
    """Return the largest difference that each adapter makes to the base's logits on a short text.

    Takes under a second for 135M: a few tokens on the CPU for the base and each adapter.

    Args:
        adapters: GGUF files by their names in messages.

    Raises:
        UserError: a file does not load, or an adapter changes no logit, or makes some NaN.
    """
    import numpy as np

    changes: dict[Name, float] = {}
    with closing(Model(base)) as model:
        loaded = {name: model.adapter(path) for name, path in adapters.items()}
        plain = _logits(model, None)
        for name, adapter in loaded.items():
            change = float(np.abs(_logits(model, adapter) - plain).max())
            if not np.isfinite(change):
                raise UserError(
                    f"adapter {name} ({adapters[name].name}) gives logits that are NaN: its "
                    "training diverged; train it again at a lower learning rate"
                )
            if change < SMALLEST_CHANGE:
                raise UserError(
                    f"adapter {name} ({adapters[name].name}) changes no logit of {base.name}: it "
                    "is untrained, or was made for another model; train and export it again"
                )
            changes[name] = change
    return changes


def _logits(model: Model, adapter: Any) -> Any:
    """Return the logits after the text, float32 [n_vocab]."""
    ids = model.encode(_TEXT, special=False)
    size = len(ids)
    threads = cores()
    context = Context(model, adapter, n_ctx=size, slots=1, threads=threads, n_batch=size)
    with closing(context):
        context.decode([(token, i, 0, i == size - 1) for i, token in enumerate(ids)])
        return context.logits(size - 1).copy()
