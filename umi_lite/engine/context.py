"""llama.cpp's context over a model: its KV cache, and the evaluation of batches."""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from umi_lite.engine.library import EngineError, clear_log, filled, holding, last_reason
from umi_lite.engine.llama import Adapter, Adapters, Model
from umi_lite.errors import UserError

_KV_TYPES = {"f16": 1, "q8_0": 8, "f32": 0}  # ggml types
KvType = Literal["f16", "q8_0", "f32"]
_ABORTED = 2  # llama_decode's status (include/llama.h)


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
        self._stop = ctypes.create_string_buffer(2)
        if self.forgets:
            self._is_set = _is_set(lib)
            data = ctypes.cast(self._stop, ctypes.c_void_p)
            lib.llama_set_abort_callback(self.pointer, self._is_set, data)
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

    def interrupt(self) -> None:
        """Stop the evaluation in progress, else the next one; may be called from any thread.

        A GPU, and a model that cannot forget a part of its cache, finish theirs.
        """
        self._stop[0] = b"\1"

    def decode(self, entries: Sequence[tuple[int, int, int, bool]]) -> bool:
        """Evaluate (token, position, sequence, wants logits) entries, at most `n_batch`.

        Return True if it was interrupted: some of the entries may be cached then, and there are
        no logits.

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
        self._stop[0] = b"\0"
        if status == _ABORTED:
            clear_log()
            return True
        if status != 0:
            raise EngineError(f"llama.cpp could not evaluate ({status}): {last_reason()}")
        # A GPU may still be computing after the call returns; wait, so that timings are right.
        self.lib.llama_synchronize(self.pointer)
        self.copying = False
        return False

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


def _is_set(lib: Any) -> Any:
    """Return a C function that is true where the byte at the address that it is given is not 0.

    llama.cpp asks between operations, a thousand times or more per evaluation. A Python function
    would have to wait each time until no other thread runs Python: `strlen`, 0 for an empty text.
    """
    libc = ctypes.CDLL(None if os.name == "posix" else "msvcrt")
    return ctypes.cast(libc.strlen, lib.ggml_abort_callback)
