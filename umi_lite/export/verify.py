"""Checks of a bundle's files: each refusal is one line with the file and what to do."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from umi_lite.base import sha256
from umi_lite.export.spec import AGAIN, SPEC, AnyFile, File
from umi_lite.protocol.errors import UserError
from umi_lite.runtime.gguf import read_header

_F = TypeVar("_F", bound=AnyFile)


def describe(path: Path, kind: type[_F]) -> _F:
    """A file as the bundle names it."""
    return kind(file=path.name, size=path.stat().st_size, sha256=sha256(path))


def template_hash(base: Path, header: Mapping[str, Any]) -> str:
    """SHA-256 of the chat template in a base GGUF's metadata.

    Raises:
        UserError: it has none.
    """
    template = header.get("tokenizer.chat_template")
    if not isinstance(template, str):
        raise UserError(f"base {base} has no chat template: take a GGUF of an instruct model")
    return hashlib.sha256(template.encode("utf-8")).hexdigest()


def check_adapter(path: Path, header: Mapping[str, Any], architecture: str, what: str) -> None:
    """Is it a LoRA for a base of this architecture?

    Raises:
        UserError: it is a model, or one of another architecture.
    """
    if header.get("general.type") != "adapter":
        raise UserError(f"{what} {path} is no LoRA adapter: take the GGUF that export made of one")
    own = header.get("general.architecture")
    if own != architecture:
        raise UserError(
            f"{what} {path} is for architecture {own!r}, the base is {architecture!r}: "
            "train and export it on this base"
        )


def check_base(path: Path, header: Mapping[str, Any]) -> None:
    """Is it a model?

    Raises:
        UserError: it is an adapter, or does not say what it is.
    """
    if "general.architecture" not in header or header.get("general.type") == "adapter":
        raise UserError(f"base {path} is no model: take the GGUF of a whole model")


def verified(path: Path, told: File, what: str) -> dict[str, Any]:
    """The metadata of a file that is as it was when the bundle was written.

    Raises:
        UserError: it is missing, foreign, cut off, or another one.
    """
    header = read_header(path, what)
    check_unchanged(path, told, what)
    return header


def check_unchanged(path: Path, told: AnyFile, what: str) -> None:
    """Is a file as it was when the bundle was written?

    Raises:
        UserError: it is missing, cut off, or another one.
    """
    try:
        size = path.stat().st_size
    except OSError as err:
        raise UserError(f"{what} {path}: {err.strerror}: copy it again, or {AGAIN}") from None
    if size < told.size:
        raise UserError(f"{what} {path} is cut off ({size} of {told.size} bytes): copy it again")
    if size != told.size or sha256(path) != told.sha256:
        raise UserError(
            f"{what} {path} is not the file that was exported (its SHA-256 differs from "
            f"{SPEC}): copy it again, or {AGAIN}"
        )
