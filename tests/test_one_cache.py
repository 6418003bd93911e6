"""Roles that share one cache: the engine's logits are those of the training computation.

Training's computation is transformers' own here, turn by turn by its definition, in float32. With
STUDY=1 over 50 episodes, else over 3; UMI_RUN names a trained run with activated adapters, else
they are random.
"""

import json
import os
import shutil
from pathlib import Path
from typing import ClassVar

import pytest
from peft_adapters import write_peft
from studies import STUDY

from umi_lite.agent.agent import Job, run_many
from umi_lite.agent.bounds import Bounds
from umi_lite.data.load import load_source
from umi_lite.engine.engine import Engine
from umi_lite.engine.turn import Turn
from umi_lite.evals.live import environment_of
from umi_lite.protocol.trajectory import ROLES
from umi_lite.weights.hf_to_gguf import convert_loras

EPISODES = 50 if STUDY else 3
pytestmark = pytest.mark.timeout(3600 if STUDY else 600)
JOBS = ("global", *ROLES)


@pytest.fixture(scope="module")
def adapters(base_hf: Path, tmp_path_factory) -> dict[str, Path]:
    """Return the PEFT folder of each job."""
    folder = tmp_path_factory.mktemp("adapters")
    if run := os.environ.get("UMI_RUN"):
        return {job: everywhere(Path(run) / job / "adapter", folder / job) for job in JOBS}
    return {job: write_peft(folder / job, base_hf, seed) for seed, job in enumerate(JOBS)}


def everywhere(adapter: Path, folder: Path) -> Path:
    """Copy an adapter without its invocation tokens; PEFT would choose its positions by them."""
    shutil.copytree(adapter, folder)
    config = folder / "adapter_config.json"
    fields = json.loads(config.read_text())
    config.write_text(json.dumps(fields | {"alora_invocation_tokens": None}))
    return folder


class Recorded(Turn):
    """A turn that keeps the logits that each of its tokens was taken from."""

    seen: ClassVar[list[tuple["Recorded", int, object]]] = []

    def pick(self, logits) -> None:
        self.seen.append((self, len(self._ids), logits.copy()))
        super().pick(logits)


@pytest.fixture(scope="module")
def spoken(adapters, base_hf, f32_gguf, tmp_path_factory):
    """Play the episodes; return (role, transcript, turn, [(position in the turn, logits)])."""
    files = convert_loras(adapters, base_hf, tmp_path_factory.mktemp("gguf"), "f32")
    roles = {role: files[role] for role in ROLES}
    tasks = load_source("toolworld", {"split": "test", "n": EPISODES, "seed": 1}).trajectories
    Recorded.seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_turn", Recorded)
        with Engine(
            f32_gguf, {"backbone": files["global"]}, roles=roles, n_ctx=1024, slots=3, kv="f32"
        ) as engine:
            bounds = Bounds(max_calls=3, max_thought_tokens=40, max_answer_tokens=24)
            jobs = [Job(t.model_copy(update={"steps": ()}), environment_of(t)) for t in tasks]
            run_many(engine, jobs, bounds=bounds)
    turns: dict[Recorded, list] = {}
    for turn, at, logits in Recorded.seen:
        turns.setdefault(turn, []).append((at, logits))
    return [
        (turn.request.speaker, list(turn.request.ids), list(turn.generation().ids), picks)
        for turn, picks in turns.items()
        if turn.stop is not None
    ]


@pytest.fixture(scope="module")
def model(adapters, base_hf):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    torch.set_grad_enabled(False)
    base = AutoModelForCausalLM.from_pretrained(base_hf, dtype=torch.float32)
    made = PeftModel.from_pretrained(base, adapters["global"], "global")
    for role in ROLES:
        made.load_adapter(adapters[role], role)
    yield made.eval()
    torch.set_grad_enabled(True)


def logits_of(model, role: str, transcript: list[int], turn: list[int]):
    """Return the logits at the cue and at each token of a turn."""
    import torch

    model.base_model.set_adapter("global")
    *context, cue = transcript
    cache = model(input_ids=torch.tensor([context]), use_cache=True).past_key_values
    model.base_model.set_adapter(["global", role])
    own = torch.tensor([[cue, *turn]])
    return model(input_ids=own, past_key_values=cache).logits[0].numpy()


def test_logits_and_tokens_are_those_of_training(spoken, model):
    import numpy as np

    worst = 0.0
    roles = set()
    for role, transcript, turn, picks in spoken:
        roles.add(role)
        wanted = logits_of(model, role, transcript, turn)
        for at, logits in picks:
            worst = max(worst, float(np.abs(wanted[at] - logits).max()))
            assert wanted[at].argmax() == logits.argmax()
    print(f"{len(spoken)} turns, largest difference of a logit {worst:.2e}")
    assert roles == set(ROLES)
    assert worst < 1e-3
