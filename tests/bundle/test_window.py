"""A sliding window that llama.cpp does not run is reported at export."""

import json
from pathlib import Path
from typing import Any

import pytest
from tiny_gguf import write_tiny

from umi_lite.bundle.export import window_note

SLIDING = ["full_attention", "sliding_attention"]


@pytest.mark.parametrize(
    ("config", "arch", "deployed", "told"),
    [
        ({"sliding_window": 32}, "llama", None, True),  # Mistral
        ({"sliding_window": 32}, "phi3", 32, True),  # llama.cpp leaves it out
        ({"sliding_window": 32, "layer_types": SLIDING}, "gemma3", 32, False),
        ({"text_config": {"sliding_window": 32, "layer_types": SLIDING}}, "gemma3", 32, False),
        ({"sliding_window": 32, "layer_types": ["full_attention"]}, "qwen2", None, False),
        ({"sliding_window": 32, "use_sliding_window": False}, "qwen2", None, False),
        ({"sliding_window": None}, "llama", None, False),
        ({}, "llama", None, False),
    ],
)
def test_where_a_window_is_lost(
    config: dict[str, Any], arch: str, deployed: int | None, told: bool, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    meta = {"attention.sliding_window": deployed} if deployed else {}
    note = window_note(tmp_path, write_tiny(tmp_path / "m.gguf", arch=arch, meta=meta))
    assert (note is not None) == told
    assert note is None or "without the sliding window of 32 tokens" in note
