"""A card with room for N tokens: training continues in smaller parts, with the same losses."""

import gc
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from kept import Notes, losses

from umi_lite.errors import UserError
from umi_lite.recipe.schema import Recipe
from umi_lite.train.failures import MicroBatchSplit, attempt
from umi_lite.train.packs import Row
from umi_lite.train.progress import Silent
from umi_lite.train.trainer import train

STEPS = 4


@contextmanager
def card_of(tokens: int, *, in_backward: bool = False) -> Iterator[list[int]]:
    """Models that run out of memory above so many tokens a call; yields the calls' sizes."""
    from transformers import LlamaModel

    forward = LlamaModel.forward
    sizes: list[int] = []

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")

    def limited(self: Any, input_ids: Any = None, **rest: Any) -> Any:
        if torch.is_grad_enabled():  # the check before a job does not count
            sizes.append(input_ids.numel())
        if input_ids.numel() > tokens and not in_backward:
            full()
        if input_ids.numel() <= tokens:
            return forward(self, input_ids=input_ids, **rest)

        def breaks(*io: Any) -> None:
            io[-1].register_hook(full)

        # The last layer's gradients are there by then, the first one's are not.
        handle = self.layers[0].register_forward_hook(breaks)
        try:
            return forward(self, input_ids=input_ids, **rest)
        finally:
            handle.remove()

    LlamaModel.forward = limited  # type: ignore[method-assign]
    try:
        yield sizes
    finally:
        LlamaModel.forward = forward  # type: ignore[method-assign]


def make(recipe: Callable[..., Recipe], **changes: Any) -> Recipe:
    stage = {"learning_rate": 1e-2, "batch": 2, "max_steps": STEPS, "epochs": 8}
    local = "none" if changes.pop("one_job", False) else stage
    return recipe(stages={"global": stage, "local": local}, packed_length=600, **changes)


@pytest.fixture(scope="module")
def whole(tiny_recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed run."""
    run = tmp_path_factory.mktemp("whole") / "run"
    with card_of(100_000) as sizes:
        train(make(tiny_recipe), run, reporter=Silent())
    assert max(sizes) > 400
    return run


@pytest.mark.parametrize("in_backward", [False, True], ids=["forward", "backward"])
def test_packs_are_cut_until_they_fit(
    in_backward: bool, whole: Path, tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    notes = Notes()
    run = tmp_path / "run"
    with card_of(400, in_backward=in_backward) as sizes:
        train(make(tiny_recipe), run, reporter=notes)
    assert max(sizes) > 400 and (run / "micro_batch_splits").read_text() == "2\n"
    (note,) = (text for text in notes.said if "out of memory" in text)
    assert note.startswith("global: step 1: ") and "half as many rows" in note
    for job in ("global", "planner", "caller", "summarizer"):
        assert losses(run, job) == pytest.approx(losses(whole, job), rel=1e-4)


def test_rows_side_by_side_are_cut_too(tiny_recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    """Micro-batches of one and of two rows, and of two on a card that holds one: all the same."""
    counts = {}
    for name, size, tokens in (("one", 1, 10_000), ("two", 2, 10_000), ("cut", 2, 400)):
        recipe = make(tiny_recipe, packing="none", micro_batch=size, one_job=True)
        with card_of(tokens) as sizes:
            train(recipe, tmp_path / name, reporter=Silent())
        counts[name] = sizes
    expected = losses(tmp_path / "one", "global")
    assert len(counts["one"]) == 2 * STEPS and len(counts["two"]) == STEPS < len(counts["cut"])
    assert losses(tmp_path / "two", "global") == pytest.approx(expected, rel=1e-4)
    assert losses(tmp_path / "cut", "global") == pytest.approx(expected, rel=1e-4)
    one, two = (weights(tmp_path / name) for name in ("one", "two"))
    assert all((one[key] - two[key]).abs().max() < 2e-3 for key in one)


def weights(run: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(run / "global" / "adapter" / "adapter_model.safetensors")


def test_what_holds_no_single_row_is_one_line(
    tiny_recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    line = r"global: step 1: out of memory with one row of \d+ tokens at a time.*lower max_length"
    with card_of(50), pytest.raises(UserError, match=line) as err:
        train(make(tiny_recipe, one_job=True), tmp_path / "run", reporter=Silent())
    assert "\n" not in str(err.value)


def test_a_failed_attempt_holds_no_memory() -> None:
    kept: list[weakref.ref] = []

    def fail() -> None:
        big = torch.zeros(1000)
        kept.append(weakref.ref(big))
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        except torch.OutOfMemoryError as err:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory") from err

    gc.disable()
    try:
        assert attempt(fail) is None and kept[0]() is None
    finally:
        gc.enable()
    with pytest.raises(RuntimeError, match="another"):
        attempt(lambda: (_ for _ in ()).throw(RuntimeError("another")))


def test_pieces_are_about_as_long_and_hold_every_row(tmp_path: Path) -> None:
    rows = [Row(str(i), [0] * size, [1.0] * size, 1) for i, size in enumerate((90, 10, 20, 30, 40))]
    pieces = MicroBatchSplit(tmp_path / "micro_batch_splits", lambda _: None)
    for lengths in ([190], [90, 100], [90, 60, 40], [90, 30, 30, 40]):
        cut = pieces.cut(rows)
        assert [row for piece in cut for row in piece] == rows
        assert [sum(len(row.ids) for row in piece) for piece in cut] == lengths
        pieces.halve(rows, "planner: step 3")
    assert MicroBatchSplit(tmp_path / "micro_batch_splits", print).count == 16
    with pytest.raises(UserError, match=r"planner: step 3: .*90 tokens.*rows 0, 1, 2, 3, 4\)"):
        pieces.halve(rows, "planner: step 3")


REAL = """
import resource, sys
from pathlib import Path
import torch
from umi_lite.train.failures import attempt

def held():
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()

attempt(lambda: torch.zeros(1000).sum().item())
limit = held() + 200 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
kept = []

def too_much():
    mine = [torch.ones(16 * 2**20) for _ in range(100)]  # 64 MiB each
    return len(mine)

assert attempt(too_much) is None
assert attempt(lambda: torch.ones(32 * 2**20).sum().item()) == 32 * 2**20  # 128 MiB are free again
"""


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts private pages on Linux")
def test_memory_that_is_really_used_up_is_free_again() -> None:
    done = subprocess.run([sys.executable, "-c", REAL], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
