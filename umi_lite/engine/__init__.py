"""llama.cpp: model, KV cache, scheduler, drafts, placement, endpoints. Free of torch."""
