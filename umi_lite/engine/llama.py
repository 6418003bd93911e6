"""llama.cpp through its C interface: a model, its adapters, and contexts over it.

`llama_cpp.Llama` is not used: it cannot share one model between contexts.
"""

import ctypes
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from umi_lite.engine.gguf import TOKENIZER, check_gguf, read_gguf
from umi_lite.engine.library import EngineError, clear_log, filled, holding, last_reason, library
from umi_lite.engine.machine import repacks
from umi_lite.errors import UserError

FLOATS = (0, 1, 30)  # F32, F16, BF16 (ggml/include/ggml.h)
_KV_TYPES = {"f32": 0, "f16": 1, "q8_0": 8}  # ggml types
KvType = Literal["f32", "f16", "q8_0"]


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


class Context:
    """A KV cache over a model, of `slots` sequences of `n_ctx` tokens.

    `adapter` is active until `use` chooses others. Keys and values in `q8_0` take half the memory
    of `f16`; a CPU then reads at half the speed. `f32` takes twice the memory, for studies.
    `copying` is True while a copy waits for the next evaluation.

    Raises:
        UserError: there is not the memory for it.
    """

    def __init__(
        self,
        model: Model,
        adapter: Adapter | None = None,
        *,
        n_ctx: int,
        slots: int,
        threads: int,
        n_batch: int,
        kv: KvType = "f16",
    ):
        lib = self.lib = model.lib
        self.n_batch = n_batch
        self.n_ctx = n_ctx
        # A recurrent state cannot be taken back by a few tokens.
        self.forgets = not (
            lib.llama_model_is_recurrent(model.pointer) or lib.llama_model_is_hybrid(model.pointer)
        )
        self.copying = False
        self._n_vocab = model.n_vocab
        flash = lib.LLAMA_FLASH_ATTN_TYPE_ENABLED
        if kv == "f32" or (kv == "f16" and not model.n_gpu_layers):
            # A CPU reads 16 to 64 tokens a quarter to a half faster without.
            flash = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params = filled(
            lib.llama_context_default_params(),
            n_seq_max=slots,
            n_ctx=-(-n_ctx // 256) * 256 * slots,
            n_batch=n_batch,
            n_ubatch=n_batch,
            n_threads=threads,
            n_threads_batch=threads,
            kv_unified=False,
            type_k=_KV_TYPES[kv],
            type_v=_KV_TYPES[kv],
            flash_attn_type=flash,
            no_perf=True,
        )
        clear_log()
        with holding():
            self.pointer = lib.llama_init_from_model(model.pointer, params)
        if not self.pointer:
            raise UserError(
                f"no context of {slots} x {n_ctx} tokens could be made: {last_reason()}; "
                "a smaller n_ctx or fewer slots need less memory"
            )
        self._active: Adapters = ()
        self.use(() if adapter is None else (adapter,))
        self._threads = threads
        self._memory = lib.llama_get_memory(self.pointer)
        self._batch = lib.llama_batch_init(n_batch, 0, 1)

    def use(self, adapters: Adapters) -> None:
        """Set the active adapters from now on; what is cached stays as it was computed.

        A change costs the next `decode` about a fifth of a token's time, else nothing.

        Raises:
            EngineError: llama.cpp refused them.
        """
        if adapters == self._active:
            return
        count = len(adapters)
        pointers: Any = (self.lib.llama_adapter_lora_p_ctypes * count)(
            *(one.pointer for one in adapters)
        )
        scales = (ctypes.c_float * count)(*[1.0] * count)
        if self.lib.llama_set_adapters_lora(self.pointer, pointers, count, scales) != 0:
            raise EngineError(f"llama.cpp refused the adapters: {last_reason()}")
        self._active = adapters

    def compute_on(self, threads: int) -> None:
        """Set the number of threads from now on; results do not depend on it."""
        if threads != self._threads:
            self.lib.llama_set_n_threads(self.pointer, threads, threads)
            self._threads = threads

    def decode(self, entries: Sequence[tuple[int, int, int, bool]]) -> None:
        """Evaluate (token, position, sequence, wants logits) entries, at most `n_batch`.

        Raises:
            EngineError: the cache is full or the computation failed.
        """
        batch = self._batch
        for i, (token, position, sequence, logits) in enumerate(entries):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = logits
        batch.n_tokens = len(entries)
        with holding():
            status = self.lib.llama_decode(self.pointer, batch)
        if status != 0:
            raise EngineError(f"llama.cpp could not evaluate ({status}): {last_reason()}")
        # A GPU may still be computing after the call returns; wait, so that timings are right.
        self.lib.llama_synchronize(self.pointer)
        self.copying = False

    def logits(self, index: int) -> Any:
        """Return float32 [n_vocab] of entry `index` of the last decode; valid until the next."""
        import numpy as np

        row = self.lib.llama_get_logits_ith(self.pointer, index)
        return np.ctypeslib.as_array(row, (self._n_vocab,))

    def cut(self, sequence: int, keep: int) -> bool:
        """Forget all but the first `keep` tokens; return False if the model cannot."""
        return bool(self.lib.llama_memory_seq_rm(self._memory, sequence, keep, -1))

    def copy(self, source: int, target: int) -> None:
        """Copy a whole sequence (split caches allow no less), at the next `decode`."""
        self.copying = True
        self.lib.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def save_state(self, sequence: int, path: Path, ids: Sequence[int]) -> bool:
        """Write a sequence's cache and the ids in it; return True if it worked."""
        tokens = (ctypes.c_int32 * len(ids))(*ids)
        name = os.fsencode(path)
        size = self.lib.llama_state_seq_save_file(self.pointer, name, sequence, tokens, len(ids))
        return size > 0

    def load_state(self, sequence: int, path: Path, capacity: int) -> list[int]:
        """Load a saved cache of at most `capacity` ids; return its ids, [] on failure.

        While `copying`, what is loaded may be overwritten by a copy that is still to be made.
        """
        tokens = (ctypes.c_int32 * capacity)()
        count = ctypes.c_size_t(0)
        size = self.lib.llama_state_seq_load_file(
            self.pointer, os.fsencode(path), sequence, tokens, capacity, ctypes.byref(count)
        )
        return list(tokens[: count.value]) if size > 0 else []

    def close(self) -> None:
        if self.pointer:
            self.lib.llama_batch_free(self._batch)
            self.lib.llama_free(self.pointer)
            self.pointer = None
