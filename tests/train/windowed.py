"""Small random models whose attention does more than Llama's: windows, caps, sinks."""

from collections.abc import Callable
from typing import Any

VOCAB, WINDOW = 300, 9
_SIZES = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "max_position_embeddings": 512,
}


def configs() -> dict[str, Callable[[], Any]]:
    """By name: with windows shorter than the rows of the tests, and caps that bend scores."""
    import transformers as t

    head = {**_SIZES, "head_dim": 16}
    experts = {"num_local_experts": 4, "num_experts_per_tok": 2}
    return {
        "gemma2": lambda: t.Gemma2Config(
            **head, sliding_window=WINDOW, attn_logit_softcapping=2.0, query_pre_attn_scalar=16
        ),
        "gemma3": lambda: t.Gemma3TextConfig(
            **head, sliding_window=WINDOW, sliding_window_pattern=2, query_pre_attn_scalar=16
        ),
        "mistral": lambda: t.MistralConfig(**head, sliding_window=WINDOW),
        "phi3": lambda: t.Phi3Config(**_SIZES, sliding_window=WINDOW),
        "gpt_oss": lambda: t.GptOssConfig(**head, **experts, sliding_window=WINDOW),
        # Its layers have the window in their mask only.
        "qwen2_moe": lambda: t.Qwen2MoeConfig(
            **head,
            use_sliding_window=True,
            sliding_window=WINDOW,
            max_window_layers=1,
            moe_intermediate_size=32,
            shared_expert_intermediate_size=32,
            num_experts=4,
        ),
        # Its layers drop the keyword arguments of the forward call.
        "stablelm": lambda: t.StableLmConfig(**_SIZES),
        "llama": lambda: t.LlamaConfig(**head),
    }


def make(name: str) -> Any:
    """A model in evaluation mode; its weights are wide, so that scores are."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(configs()[name]()).eval()
    with torch.no_grad():
        for parameter, weight in model.named_parameters():
            if weight.ndim > 1 or "sinks" in parameter:
                weight.normal_(0, 0.25)
    return model
