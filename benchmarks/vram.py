"""The estimated VRAM of the models in recipes/models: `python -m benchmarks.vram`.

4-bit QLoRA of rank 16 on all linear layers with gradient checkpointing, one row per step, of which
300 tokens are trained. GiB by row length, Unsloth / plain. Estimates only, no measurements.
"""

from umi_lite.recipe.schema import Data, Recipe
from umi_lite.train.budget.memory import GIB, MicroBatch, Setting, estimate
from umi_lite.train.budget.shape import Shape

LENGTHS = (1024, 2048, 4096)
TRAINED = 300
UNSLOTH = Setting("cuda", "unsloth", "bf16", "adamw_8bit")
PLAIN = Setting("cuda", "plain", "bf16", "adamw_8bit")
# Layers, hidden, intermediate, heads, kv heads, head, vocabulary, tied: the models' config.json.
MODELS = {
    "qwen2.5-0.5b": Shape(24, 896, 4864, 14, 2, 64, 151936, True),
    "qwen2.5-1.5b": Shape(28, 1536, 8960, 12, 2, 128, 151936, True),
    "qwen2.5-3b": Shape(36, 2048, 11008, 16, 2, 128, 151936, True),
    "qwen2.5-7b": Shape(28, 3584, 18944, 28, 4, 128, 152064, False),
    "qwen3-0.6b": Shape(28, 1024, 3072, 16, 8, 128, 151936, True),
    "qwen3-1.7b": Shape(28, 2048, 6144, 16, 8, 128, 151936, True),
    "qwen3-4b": Shape(36, 2560, 9728, 32, 8, 128, 151936, True),
    "qwen3-8b": Shape(36, 4096, 12288, 32, 8, 128, 151936, False),
    "llama-3.2-1b": Shape(16, 2048, 8192, 32, 8, 64, 128256, True),
    "llama-3.2-3b": Shape(28, 3072, 8192, 24, 8, 128, 128256, True),
    "llama-3.1-8b": Shape(32, 4096, 14336, 32, 8, 128, 128256, False),
}


def main() -> None:
    recipe = Recipe(
        name="vram",
        data=(Data(source="toolworld"),),
        quantization="4bit",
        gradient_checkpointing=True,
    )
    print("| model | parameters |", " | ".join(f"{n:,}" for n in LENGTHS), "|")
    print("|---|---|" + "---|" * len(LENGTHS))
    for name, shape in MODELS.items():
        cells = []
        for length in LENGTHS:
            fast = estimate(shape, recipe, UNSLOTH, MicroBatch(length, length))
            plain = estimate(shape, recipe, PLAIN, MicroBatch(length, TRAINED))
            cells.append(f"{fast.total / GIB:.1f} / {plain.total / GIB:.1f}")
        print(f"| {name} | {shape.parameters / 1e9:.2f} B |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
