"""design.md's walls: who may import whom, and what starts without torch."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_import_contracts_hold() -> None:
    done = run(str(Path(sys.executable).parent / "lint-imports"))
    assert done.returncode == 0, done.stdout


def test_the_runtime_starts_without_torch() -> None:
    code = (
        "import sys, umi_lite, umi_lite.agent.agent, umi_lite.engine.engine, "
        "umi_lite.bundle.bundle, umi_lite.evals.measure, umi_lite.cli.app\n"
        "heavy = {'torch', 'transformers', 'trl', 'peft', 'datasets', 'unsloth', 'llama_cpp'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    done = run(sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr


def test_no_file_is_a_god_file() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in (ROOT / "umi_lite").rglob("*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 300
    }
    told = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    assert not [name for name in long if name not in told], long
