"""Tokenizing with a GGUF's vocabulary in a child process.

`python -m umi_lite.engine.vocabulary GGUF` reads a JSON list of texts and writes one of ids. A CUDA
build of llama.cpp opens the card even for a vocabulary; a trainer needs that memory.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from umi_lite.errors import UserError


def read_texts(gguf: Path, texts: Sequence[str]) -> list[list[int]]:
    """Return the token ids of texts, special tokens as plain text.

    Args:
        gguf: a model's file; only its vocabulary is loaded (about 0.5 s).

    Raises:
        UserError: it cannot be loaded.
    """
    done = subprocess.run(
        [sys.executable, "-m", "umi_lite.engine.vocabulary", str(gguf)],
        input=json.dumps(list(texts)),
        capture_output=True,
        text=True,
        errors="replace",
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise UserError(f"the vocabulary of {gguf} cannot be read: {last}")
    return json.loads(done.stdout)


def main() -> None:
    from umi_lite.engine.llama import Model

    texts = json.load(sys.stdin)
    try:
        model = Model.vocabulary(Path(sys.argv[1]))
    except UserError as err:
        print(err, file=sys.stderr)
        sys.exit(2)
    with closing(model):
        json.dump([model.encode(text, special=False) for text in texts], sys.stdout)


if __name__ == "__main__":
    main()
