"""Programs come back with a result, whatever they do, and leave nothing behind."""

import os
import threading
import time
from pathlib import Path

import pytest

from umi_lite.sandbox.python import Limits, run_python
from umi_lite.sandbox.text import head_and_tail

SHORT = Limits(seconds=1.0)


@pytest.mark.parametrize(
    ("code", "value", "stdout"),
    [
        ("1 + 1", "2", ""),
        ("x = 6\nx * 7", "42", ""),
        ("print('hi', 'é')", None, "hi é\n"),
        ("print('a')\n'text'", "text", "a\n"),
        ("x = 3", None, ""),
        ("", None, ""),
        ("import sys\nprint('e', file=sys.stderr)", None, "e\n"),
        ("raise SystemExit", None, ""),
        ("def f(n): return 1 if n < 2 else n * f(n - 1)\nf(20)", "2432902008176640000", ""),
        ("import math, fractions, statistics, json, re, datetime\nmath.pi > 3", "True", ""),
    ],
)
def test_what_a_program_gives(code, value, stdout):
    result = run_python(code)
    assert (result.status, result.value, result.stdout) == ("ok", value, stdout)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("x = 1\nx / 0", "ZeroDivisionError: division by zero (line 2)"),
        ("def f(:", "SyntaxError: invalid syntax (line 1)"),
        ("import numpy", "ModuleNotFoundError: No module named 'numpy' (line 1)"),
        ("input()", "EOFError: EOF when reading a line (line 1)"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("import os; os._exit(4)", "the program exited with status 4"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt (line 1)"),
        ("raise ValueError('two\\nlines')", "ValueError: two lines (line 1)"),
    ],
)
def test_what_went_wrong_is_one_line(code, error):
    result = run_python(code)
    assert (result.status, result.error) == ("error", error)


def test_death_by_signal_is_a_crash():
    result = run_python("import os; os.abort()")
    assert (result.status, result.error) == ("crash", "the program died by signal 6")


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(60)"])
def test_time_limit(code):
    started = time.monotonic()
    result = run_python(code, SHORT)
    assert (result.status, result.limit, result.error) == ("limit", "time", "time limit: 1 s")
    assert time.monotonic() - started < 4


def test_output_before_the_limit_is_kept():
    result = run_python("print('so far', flush=True)\nwhile True: pass", SHORT)
    assert (result.limit, result.stdout) == ("time", "so far\n")


def test_memory_limit():
    result = run_python("x = bytearray(10**9)", Limits(memory_mib=256))
    assert (result.status, result.limit) == ("limit", "memory")


def test_flood_is_stopped():
    result = run_python("import os\nwhile True: os.write(1, b'x' * 2**20)", Limits(seconds=20))
    assert (result.status, result.limit) == ("limit", "output")
    assert result.seconds < 15


def test_long_output_keeps_head_and_tail():
    result = run_python("print('begin', 'x' * 10**6, 'end')", Limits(output_chars=200))
    assert result.stdout.startswith("begin xxx") and result.stdout.endswith("xxx end\n")
    assert "characters left out" in result.stdout and len(result.stdout) <= 200


def test_long_value_keeps_head_and_tail():
    result = run_python("'a' * 10**6 + 'z'", Limits(output_chars=200))
    assert result.value is not None and len(result.value) <= 200
    assert result.value.startswith("aaa") and result.value.endswith("az")


def test_file_size_limit():
    result = run_python("open('x', 'wb').write(b'0' * 10**7)", Limits(file_mib=1))
    assert result.status == "error" and "File too large" in (result.error or "")


def test_open_files_limit():
    code = "files = [open('/dev/null') for _ in range(100)]"
    result = run_python(code, Limits(open_files=20))
    assert result.status == "error" and "Too many open files" in (result.error or "")


def test_environment_is_empty_and_the_folder_is_removed():
    os.environ["UMI_TEST_SECRET"] = "s"
    try:
        result = run_python(
            "import os\nprint(os.getcwd())\nopen('kept', 'w').write('x')\n"
            "'UMI_TEST_SECRET' in os.environ or 'HOME' in os.environ"
        )
    finally:
        del os.environ["UMI_TEST_SECRET"]
    assert result.value == "False"
    assert not Path(result.stdout.strip()).exists()


def test_children_of_the_program_are_killed():
    code = "import os, time\npid = os.fork()\nif pid == 0: time.sleep(60)\npid"
    result = run_python(code, Limits(seconds=10))
    assert result.status == "ok" and result.seconds < 5
    pid = int(result.value or 0)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _alive(pid):
        time.sleep(0.02)
    assert not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_many_at_once_leak_nothing():
    before = len(os.listdir("/proc/self/fd"))
    results: list[str | None] = []
    threads = [
        threading.Thread(target=lambda i=i: results.append(run_python(f"{i} * 2").value))
        for i in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=str) == ["0", "10", "2", "4", "6", "8"]
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("length", [0, 99, 100, 101, 5000])
def test_head_and_tail_never_exceeds_its_limit(length):
    text = "".join(chr(ord("a") + i % 26) for i in range(length))
    cut = head_and_tail(text, 100)
    assert len(cut) <= 100
    assert cut == text if length <= 100 else cut[:20] == text[:20] and cut[-20:] == text[-20:]


def test_head_and_tail_says_how_much_is_missing():
    cut = head_and_tail("x" * 500, 100)
    number = int(cut.split("… ")[1].split(" ")[0])
    assert number == 500 - (len(cut) - len(f"[… {number} characters left out …]"))
