"""Own-turn adapters in other programs: PEFT's activated LoRA, llama.cpp's, and llama-server.

From one cue on they compute what the engine does. They differ afterwards: they keep what a role
wrote as that role computed it, and find one cue in a prompt, the last. UMI_LLAMA_SERVER names a
llama-server (benchmarks/llama_server.sh builds one).
"""

import http.client
import json
import os
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from peft_adapters import write_peft

from benchmarks.baselines import wait_until_up
from umi_lite.bundle.export import export_run
from umi_lite.engine.engine import Engine
from umi_lite.engine.llama import Model
from umi_lite.engine.request import Request
from umi_lite.protocol.trajectory import ROLES
from umi_lite.recipe.schema import Recipe
from umi_lite.train.adapter import name_invocation

PROMPT = "<|im_start|>user\nWhat is 3 + 4?<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def run(base_hf: Path, base_gguf: Path, tmp_path_factory) -> Path:
    """Return a finished run whose role adapters act on own turns, over the bare base."""
    folder = tmp_path_factory.mktemp("runs") / "own"
    with closing(Model.vocabulary(base_gguf)) as words:
        (cue,) = words.encode("\n", special=False)
    for seed, role in enumerate(ROLES, 1):
        name_invocation(write_peft(folder / role / "adapter", base_hf, seed, scale=0.2), cue)
    stages = {"global": "none", "local": {"adapters": "activated"}}
    data = [{"source": "toolworld", "split": "train", "n": 10}]
    recipe = Recipe.model_validate({"name": "own", "data": data, "stages": stages})
    (folder / "recipe.yaml").write_text(recipe.to_yaml())
    return folder


@pytest.fixture(scope="module")
def bundle(run: Path, cache: Path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UMI_LITE_CACHE", str(cache))
        return export_run(run)


@pytest.fixture(scope="module")
def greedy(bundle, f32_gguf) -> list[int]:
    """Return what the planner says in the engine, over the base in F32."""
    roles = {role: bundle.adapters[role] for role in ROLES}
    with Engine(f32_gguf, {"backbone": None}, roles=roles, n_ctx=256, kv="f32") as engine:
        ids = engine.language("backbone").encode(PROMPT, special=True)
        request = Request("backbone", ids, speaker="planner", max_tokens=12)
        return list(engine.generate(request).ids)


def test_a_bundle_says_where_its_adapters_act(bundle):
    assert {view: file.acts for view, file in bundle.spec.views.items()} == dict.fromkeys(
        ROLES, "own turns"
    )


def test_merging_own_turn_adapters_is_refused_with_a_note(run, cache, tmp_path, monkeypatch):
    monkeypatch.setenv("UMI_LITE_CACHE", str(cache))
    notes: list[str] = []
    export_run(run, tmp_path / "out", merge=True, note=notes.append)
    assert any("not merged: planner, caller, summarizer" in note for note in notes)
    assert not (tmp_path / "out-merged").exists()


def test_llama_cpp_reads_the_cue(bundle, base_gguf):
    with closing(Model(base_gguf)) as model:
        (cue,) = model.encode("\n", special=False)
        for path in bundle.adapters.values():
            adapter = model.adapter(path).pointer
            count = model.lib.llama_adapter_get_alora_n_invocation_tokens(adapter)
            tokens = model.lib.llama_adapter_get_alora_invocation_tokens(adapter)
            assert (count, tokens[0]) == (1, cue)


def test_peft_says_the_same(run, base_hf, greedy):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = AutoModelForCausalLM.from_pretrained(base_hf, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, run / "planner" / "adapter").eval()
    words = AutoTokenizer.from_pretrained(base_hf)
    ids = words(PROMPT, return_tensors="pt", add_special_tokens=False)
    made = model.generate(**ids, max_new_tokens=12, do_sample=False)
    assert made[0, ids["input_ids"].shape[1] :].tolist()[: len(greedy)] == greedy


@pytest.mark.skipif("UMI_LLAMA_SERVER" not in os.environ, reason="UMI_LLAMA_SERVER names none")
def test_llama_server_says_the_same(bundle, f32_gguf, greedy, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [os.environ["UMI_LLAMA_SERVER"], "-m", f32_gguf, "--port", str(port), "-c", "512"]
    command += ["--lora-init-without-apply", "-ctk", "f32", "-ctv", "f32", "-fa", "off"]
    for role in ROLES:
        command += ["--lora", bundle.adapters[role]]
    path = tmp_path / "log"
    with path.open("wb") as log:
        server = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
    try:
        wait_until_up(server, port, path)
        said = _ask(port)
    finally:
        server.terminate()
        server.wait()
    assert said[: len(greedy)] == greedy


def _ask(port: int) -> list[int]:
    body = {
        "prompt": PROMPT,
        "n_predict": 12,
        "temperature": 0,
        "return_tokens": True,
        "lora": [{"id": i, "scale": float(i == 0)} for i in range(len(ROLES))],
    }
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    asked.request("POST", "/completion", json.dumps(body), {"Content-Type": "text/json"})
    return json.loads(asked.getresponse().read())["tokens"]
