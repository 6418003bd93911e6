"""llama.cpp through its C interface: a model and its adapters.

`llama_cpp.Llama` is not used: it cannot share one model between contexts.
"""

import ctypes
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from umi_lite.engine.gguf import TOKENIZER, check_gguf, read_gguf
from umi_lite.engine.library import EngineError, clear_log, filled, holding, last_reason, library
from umi_lite.engine.machine import repacks
from umi_lite.errors import UserError

FLOATS = (0, 1, 30)  # F32, F16, BF16 (ggml/include/ggml.h)


@dataclass(frozen=True, eq=False)
class Adapter:
    """A LoRA that a model has loaded; the model frees it."""

    path: Path
    pointer: Any


# Adapters that are active together.
Adapters = tuple[Adapter, ...]


class Model:
    """A GGUF's weights and vocabulary.

    Weights are memory-mapped unless llama.cpp rearranges them (quantised ones, see `repack`).

    Args:
        path: the GGUF file.
        n_gpu_layers: layers on the GPU, 0 for none, -1 for all.

    Attributes:
        tokenizer: equal for models with the same vocabulary and chat template.

    Raises:
        UserError: no file, not a GGUF, truncated, or not a model that llama.cpp knows.
    """

    def __init__(self, path: Path, n_gpu_layers: int = 0):
        self._load(path, n_gpu_layers, vocab_only=False)

    @classmethod
    def vocabulary(cls, path: Path) -> Self:
        """Load only the tokenizer and the chat template, without weights.

        Raises:
            UserError: see the class.
        """
        model = cls.__new__(cls)
        model._load(path, 0, vocab_only=True)
        return model

    def _load(self, path: Path, n_gpu_layers: int, *, vocab_only: bool) -> None:
        header, tensors = read_gguf(path, "model")
        lib = self.lib = library()
        self.path = path
        self.n_gpu_layers = n_gpu_layers
        self.tokenizer: str = header[TOKENIZER]
        repacked = repacks()
        mapped = not repacked or all(tensor.type in FLOATS for tensor in tensors)
        params = filled(
            lib.llama_model_default_params(),
            n_gpu_layers=n_gpu_layers,
            vocab_only=vocab_only,
            use_extra_bufts=repacked,
            # Rearranged weights are a copy: the mapped file would take memory next to it.
            load_mode=lib.LLAMA_LOAD_MODE_MMAP if mapped else lib.LLAMA_LOAD_MODE_NONE,
        )
        clear_log()
        self.pointer = None
        try:
            with holding() as held:
                params.progress_callback = lib.llama_progress_callback(held.not_yet)
                self.pointer = lib.llama_model_load_from_file(os.fsencode(path), params)
        except KeyboardInterrupt:
            self.close()
            raise
        if not self.pointer:
            raise UserError(f"model {path} cannot be loaded: {last_reason()}")
        self.vocab = lib.llama_model_get_vocab(self.pointer)
        self.n_vocab: int = lib.llama_vocab_n_tokens(self.vocab)
        self.n_ctx_train: int = lib.llama_model_n_ctx_train(self.pointer)
        ends = lib.llama_vocab_is_eog
        self.eog = frozenset(i for i in range(self.n_vocab) if ends(self.vocab, i))
        self._pieces: dict[int, bytes] = {}
        self._starting: dict[bytes, list[int]] = {}

    def encode(self, text: str, *, special: bool) -> list[int]:
        """Return token ids without a BOS; `special` parses special tokens in `text`."""
        data = text.encode("utf-8")
        size = len(data) + 8
        ids = (ctypes.c_int32 * size)()
        n = self.lib.llama_tokenize(self.vocab, data, len(data), ids, size, False, special)
        if n < 0:
            raise EngineError(f"llama.cpp could not tokenize {len(data)} bytes of text ({n})")
        return list(ids[:n])

    def piece(self, token: int) -> bytes:
        """Return a token's bytes, a special token's as its text."""
        if token not in self._pieces:
            buffer = ctypes.create_string_buffer(256)
            n = self.lib.llama_token_to_piece(self.vocab, token, buffer, 256, 0, True)
            if n < 0:
                buffer = ctypes.create_string_buffer(-n)
                n = self.lib.llama_token_to_piece(self.vocab, token, buffer, -n, 0, True)
            self._pieces[token] = buffer.raw[:n]
        return self._pieces[token]

    def pieces(self) -> list[bytes]:
        """Return the bytes of all tokens, by id."""
        buffer = ctypes.create_string_buffer(256)
        write, text = self.lib.llama_token_to_piece, ctypes.string_at
        sizes = ((i, write(self.vocab, i, buffer, 256, 0, True)) for i in range(self.n_vocab))
        return [text(buffer, size) if size >= 0 else self.piece(i) for i, size in sizes]

    def starting_with(self, start: bytes) -> list[int]:
        """Return the tokens whose first byte is `start` (the first call takes 0.1 s)."""
        if not self._starting:
            for token, piece in enumerate(self.pieces()):
                self._starting.setdefault(piece[:1], []).append(token)
        return self._starting.get(start, [])

    def specials(self) -> list[int]:
        """Return the tokens that plain text cannot produce."""
        kind, control = self.lib.llama_vocab_get_attr, self.lib.LLAMA_TOKEN_ATTR_CONTROL
        own = self.lib.LLAMA_TOKEN_ATTR_USER_DEFINED
        kinds = [kind(self.vocab, token) for token in range(self.n_vocab)]
        return [
            token
            for token, is_a in enumerate(kinds)
            if is_a & control
            or (is_a & own and re.fullmatch(rb"<.*>", self.piece(token), re.DOTALL))
        ]

    def decode(self, ids: Sequence[int]) -> str:
        return b"".join(map(self.piece, ids)).decode("utf-8", "replace")

    def special(self, name: str) -> int | None:
        """Return the id of `bos`, `eos` or `eot`, None if the vocabulary has none."""
        token = getattr(self.lib, f"llama_vocab_{name}")(self.vocab)
        # Where a GGUF names none, llama.cpp assumes GPT-2's id, which is a word here.
        control = token >= 0 and self.lib.llama_vocab_is_control(self.vocab, token)
        return token if control or token in self.eog else None

    @property
    def chat_template(self) -> str | None:
        source = self.lib.llama_model_chat_template(self.pointer, None)
        return source.decode("utf-8") if source else None

    def adapter(self, path: Path) -> Adapter:
        """Load a LoRA for this model; load all of them before the first context.

        Raises:
            UserError: no file, not a GGUF, or an adapter of another architecture or shape.
        """
        check_gguf(path, "adapter")
        clear_log()
        with holding():
            made = self.lib.llama_adapter_lora_init(self.pointer, os.fsencode(path))
        if not made:
            raise UserError(f"adapter {path} does not fit model {self.path.name}: {last_reason()}")
        return Adapter(path, made)

    def close(self) -> None:
        """Free the adapters and the weights. Contexts must be closed before."""
        if self.pointer:
            # The model owns its adapters and frees them.
            self.lib.llama_model_free(self.pointer)
            self.pointer = None
