"""The GPU scripts finish on a CPU, on tiny shapes.

`make study` runs every part of every script, `make test` the quickest ones.
"""

import ctypes
import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from studies import STUDY

ROOT = Path(__file__).parent.parent
SCRIPTS = ROOT / "benchmarks" / "gpu"
ALL = STUDY
# (script, its quickest part, number of parts, one of the figures of that part)
CASES = [
    ("fit", "plain, 384, four jobs", 3, "summarizer, tokens/s"),
    ("correctness", "same rows, 4bit, plain", 5, "global, loss"),
    ("ablation", "single", 1, "tokens trained"),
    ("inference", "tiny, three roles", 2, "caller, written/s"),
]


def run(script: str, out: Path, *more: str) -> tuple[int, str, str]:
    command = [sys.executable, SCRIPTS / f"{script}.py", "--tiny", "--work", out, *more]
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        timeout=500,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("script", "part", "parts", "figure"), CASES)
def test_a_script_finishes(script: str, part: str, parts: int, figure: str, tmp_path: Path) -> None:
    if script != "fit" and not ALL:
        pytest.skip("a separate test below is quicker; make study runs all of it")
    only = () if ALL else ("--only", part)
    status, said, errors = run(script, tmp_path, *only)
    assert status == 0, said + errors
    record = json.loads(said.splitlines()[-1])
    assert figure in record["figures"][part]
    assert len(record["figures"]) == (parts if ALL else 1)
    assert (record["left"], record["failed"], record["tiny"]) == ([], {}, True)
    assert {"card", "date", "settings", "versions", "machine"} <= record.keys()
    name = "fit-tiny" if script == "fit" else script
    kept = json.loads((tmp_path / "results" / f"{name}.json").read_text())
    assert kept["figures"] == record["figures"]


def test_measured_parts_are_not_measured_again_and_the_time_limit_holds(tmp_path: Path) -> None:
    results = tmp_path / "results" / "inference.json"
    status, said, _ = run("inference", tmp_path, "--minutes", "0")
    left = ["tiny, one transcript", "tiny, three roles", "tiny, three models"]
    assert (status, json.loads(said.splitlines()[-1])["left"]) == (0, left)
    assert not results.exists()
    assert run("inference", tmp_path, "--only", left[0])[0] == 0
    kept = json.loads(results.read_text())
    assert list(kept["figures"]) == left[:1]
    began = time.monotonic()
    assert run("inference", tmp_path, "--only", left[0])[0] == 0
    assert time.monotonic() - began < 15
    assert json.loads(results.read_text()) == kept
    kept["card"] = "another card"
    results.write_text(json.dumps(kept))
    status, _, errors = run("inference", tmp_path)
    assert (status, len(errors.splitlines())) == (2, 1)
    assert "another card" in errors


def test_a_failed_part_is_reported_and_not_recorded(tmp_path: Path) -> None:
    status, said, _ = run("correctness", tmp_path, "--only", "apart")
    record = json.loads(said.splitlines()[-1])
    assert (status, record["figures"]) == (1, {})
    assert "run both first" in record["failed"]["same rows, 4bit, apart"]
    assert not (tmp_path / "results" / "correctness.json").exists()


def test_the_ablation_is_the_papers_five_variants_with_the_given_data(
    tmp_path: Path,
) -> None:
    from umi_lite.reproduce.table import load_table, planned_runs

    status, said, errors = run("ablation", tmp_path, "--minutes", "0")
    assert (status, json.loads(said.splitlines()[-1])["left"]) == (0, ["single"]), errors
    runs = planned_runs(load_table(tmp_path / "ablation.yaml"))
    names = ["glpft", "glpft-no-reuse", "one-stage", "multi-task", "single"]
    assert [one.variant for one in runs] == names
    data = {str(tmp_path / "gsm8k" / "train.jsonl")}
    assert {one.recipe.data[0].path for one in runs} == data


def test_without_a_card_a_script_says_so_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPTS / "fit.py"), "--work", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "--tiny" in done.stderr


@pytest.fixture
def scripts():
    """The modules of the scripts."""
    names = ("capped", "common", "estimates", "synthetic", "training_run")
    return SimpleNamespace(**{name: import_module(f"benchmarks.gpu.{name}") for name in names})


@pytest.mark.parametrize("said", ["torch.OutOfMemoryError: CUDA out of memory. Tried", "no luck"])
def test_running_out_of_memory_is_a_figure_and_any_other_end_is_not(
    scripts, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from umi_lite.errors import UserError
    from umi_lite.recipe.schema import Recipe

    def child(command: list[str], options: object, log: Path, **_: str) -> int:
        root = Path(command[2])
        (root / "global" / "adapter").mkdir(parents=True)
        (root / "planner").mkdir()
        for job, steps in (("global", 6), ("planner", 3)):
            records = [
                {
                    "step": i,
                    "tokens": 100 * i,
                    "seconds": 2.0 * i,
                    "loss": 9,
                    "peak_memory": 1 << 31,
                }
                for i in range(1, steps + 1)
            ]
            text = "".join(json.dumps(record) + "\n" for record in records)
            (root / job / "metrics.jsonl").write_text(text)
        (root / "memory.json").write_text(json.dumps({"reserved": 3 << 30}))
        log.write_text(said)
        return 1

    monkeypatch.setattr(scripts.training_run, "child", child)
    options = SimpleNamespace(work=tmp_path)
    recipe = Recipe.model_validate({"name": "x", "data": [{"source": "toolworld", "n": 1}]})
    if said == "no luck":
        with pytest.raises(UserError, match="status 1: no luck"):
            scripts.training_run.trained(recipe, tmp_path / "run", options, 8)
        return
    figures = scripts.training_run.trained(recipe, tmp_path / "run", options, 8)
    assert figures["out of memory"] == "planner, step 4"
    assert figures["reserved, GiB"] == 3
    assert (figures["global, tokens/s"], figures["global, peak GiB"]) == (50, 2)
    assert figures["steps, s"] == 18


def test_random_weights_have_the_shapes_names_and_sizes_of_the_real_model(
    scripts, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder = scripts.synthetic.model_folder(
        scripts.synthetic.SHAPES["tiny"], tmp_path / "bases" / "tiny", disk=1
    )
    model, loading = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not loading["missing_keys"] and not loading["unexpected_keys"], loading
    assert model.dtype == torch.bfloat16
    gate = model.model.layers[1].mlp.gate_proj.weight.float()
    assert 0.015 < gate.std() < 0.025
    assert torch.all(model.model.norm.weight == 1)


def test_the_shapes_are_those_of_the_published_models(scripts) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    millions = {"0.5b": 494, "1.5b": 1544, "3b": 3086, "7b": 7616, "llama2-7b": 6879}
    for name, count in millions.items():
        shape = scripts.synthetic.SHAPES[name]
        config = AutoConfig.for_model(**scripts.synthetic._config(shape))
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
        wanted = {key: list(value.shape) for key, value in model.named_parameters()}
        written = {
            key: [rows, columns] if rows > 1 else [columns]
            for key, rows, columns in scripts.synthetic.tensors(shape)
        }
        assert written == wanted
        assert round(sum(value.numel() for value in model.parameters()) / 1e6) == count


def test_weights_larger_than_the_disk_may_hold_are_refused(scripts, tmp_path: Path) -> None:
    shapes = scripts.synthetic
    with pytest.raises(Exception, match=r"15\.2 GB, --disk allows 10"):
        shapes.model_folder(shapes.SHAPES["7b"], tmp_path / "7b", disk=10)
    assert not list(tmp_path.iterdir())
    old = tmp_path / "old"
    old.mkdir()
    (old / "model.safetensors").write_bytes(b"0" * 10_000_000)
    shapes.model_folder(shapes.SHAPES["tiny"], tmp_path / "tiny", disk=0.015)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tiny"]


@pytest.mark.parametrize("length", [384, 1024, 4096])
def test_rows_fill_their_length(scripts, base_hf: Path, length: int, tmp_path: Path) -> None:
    from umi_lite.data.traces import load
    from umi_lite.train.samples import make_rows
    from umi_lite.train.tokenizer import load_language

    scripts.synthetic.write_rows(tmp_path / "rows.jsonl", base_hf, length, 3)
    data = load(tmp_path / "rows.jsonl").trajectories
    language = load_language(base_hf)
    for view in ("backbone", "planner", "caller", "summarizer"):
        rows = make_rows(data, view, language, max_length=length)
        assert not rows.too_long
        if view == "backbone":
            assert all(0.97 * length < len(row.ids) <= length for row in rows.rows)
            assert all(0.05 < row.trained / len(row.ids) < 0.3 for row in rows.rows)


@pytest.mark.parametrize("file", sorted(SCRIPTS.glob("results/fit-*.json")), ids=lambda p: p.stem)
def test_the_estimate_is_within_15_percent_of_what_a_card_took(scripts, file: Path) -> None:
    record = json.loads(file.read_text(encoding="utf-8"))
    estimates = scripts.estimates.estimates(record)
    assert estimates.keys() == record["figures"].keys()
    for part, estimate in estimates.items():
        (tensors, allocated), (whole, device) = scripts.estimates.compared(
            estimate, record["figures"][part]
        ).values()
        if device is None:
            assert whole > record["settings"]["cap, GiB"], part
            continue
        assert tensors == pytest.approx(allocated, rel=0.15), part
        assert whole == pytest.approx(device, rel=0.15), part


def test_a_capped_process_finds_as_little_free_as_on_the_smaller_card(
    scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    gib, calls = 2**30, {}

    def hold(_: object, size: ctypes.c_size_t) -> int:
        calls["held"] = size.value
        return int(size.value > 79 * gib)

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (79 * gib, 80 * gib))
    monkeypatch.setattr(
        torch.cuda, "set_per_process_memory_fraction", lambda share: calls.update(share=share)
    )
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace(cuMemAlloc_v2=hold))
    assert scripts.capped._cap(8 * gib) == calls["held"] == 72 * gib
    assert calls["share"] * 80 == pytest.approx(7)  # the context is of the eight, too
    calls.clear()
    assert (scripts.capped._cap(100 * gib), calls) == (0, {})
    with pytest.raises(MemoryError, match="cuMemAlloc: 1"):
        scripts.capped._cap(0)
