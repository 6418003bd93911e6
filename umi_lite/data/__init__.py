"""The sources of trajectories by name: a new benchmark is one file and one line here."""

# Where each `Source` is: a command that reads no data imports none of them.
SOURCES: dict[str, str] = {
    "toolworld": "toolworld:SOURCE",
    "wild": "wild:SOURCE",
    "everyday": "everyday:SOURCE",
    "gsm8k": "gsm8k:SOURCE",
    "math": "math_problems:MATH",
    "tora": "math_problems:TORA",
    "toolbench": "toolbench:SOURCE",
    "toolbench_raw": "toolbench_raw:SOURCE",
    "toolbench_samples": "toolbench_samples:SOURCE",
    "toolalpaca": "toolalpaca:SOURCE",
    "traces": "traces:SOURCE",
    "openai": "openai_chat:SOURCE",
    "bfcl": "bfcl:SOURCE",
    "synth": "synth.stored:SOURCE",
}
