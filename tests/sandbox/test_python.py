"""Programs come back with a result, whatever they do, and leave nothing behind."""

import os
import threading
import time

import pytest

from umi_lite.sandbox.python import Limits, run_python

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
        ("def f():\n    1 / 0\nf()", "ZeroDivisionError: division by zero (line 3, line 2 in f)"),
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


def test_cpu_limit():
    result = run_python("while True: pass", Limits(cpu_seconds=0.5))
    assert (result.status, result.limit, result.error) == ("limit", "cpu", "cpu limit: 0.5 s")
    assert result.seconds < 5


def test_no_file_can_be_written():
    result = run_python("open('x', 'w')")
    assert result.status == "error" and "PermissionError" in (result.error or "")


def test_open_files_limit():
    code = "import os\nopened = [os.dup(0) for _ in range(100)]"
    result = run_python(code, Limits(open_files=20))
    assert result.status == "error" and "Too many open files" in (result.error or "")


def test_environment_is_empty():
    os.environ["UMI_TEST_SECRET"] = "s"
    try:
        result = run_python("import os\ndict(os.environ), os.getcwd()")
    finally:
        del os.environ["UMI_TEST_SECRET"]
    assert result.value == "({}, '/')"


def test_every_result_has_its_level():
    assert run_python("1").level in ("full", "standard")
    assert run_python("1 / 0").level == run_python("1").level


def test_many_at_once_leak_nothing():
    run_python("1")
    before = len(os.listdir("/proc/self/fd"))
    results: list[str | None] = []
    threads = [
        threading.Thread(target=lambda i=i: results.append(run_python(f"{i} * 2").value))
        for i in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=lambda r: int(r or -1)) == [str(2 * i) for i in range(20)]
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_fork_of_the_host_has_its_own():
    mine = run_python("import os; os.getppid()").value
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        told = run_python("6 * 7").value or "nothing"
        os.write(writer, told.encode())
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 100) == b"42"
    os.close(reader)
    os.waitpid(child, 0)
    assert run_python("import os; os.getppid()").value == mine
