"""Programs come back with a result, whatever they do, and leave nothing behind."""

import os
import threading
import time
from pathlib import Path

import pytest
import sympy

from umi_lite.sandbox.python import Limits, run_python
from umi_lite.sandbox.sandbox import Sandbox

SHORT = Limits(seconds=1.0)
FENCED = "Here it is:\n```python\nx = 6\nprint(x * 7)\n```\nIt prints 42.\n```output\n42\n```\n"
NO_NETWORK = "there is no network in this sandbox"


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


@pytest.mark.parametrize(
    ("code", "value", "stdout"),
    [
        ("```python\nprint(1)\n```", None, "1\n"),
        ("```\n1 + 1\n```", "2", ""),
        ("```py\n1 + 1", "2", ""),
        ("1 + 1\n```", "2", ""),
        ("`1 + 1`", "2", ""),
        ("  ```python\n  x = 1\n  x + 1\n  ```", "2", ""),
        (FENCED, None, "42\n"),
        ("```python\nx = 1\n```\nthen\n```python\nx + 1\n```", "2", ""),
        ("print('''\n```\nx\n```\n''')", None, "\n```\nx\n```\n\n"),
        ("\ufeffprint(1)", None, "1\n"),
        ("print('a')\nexit()\nprint('b')", None, "a\n"),
        ("quit()", None, ""),
        ("exit(0)", None, ""),
    ],
)
def test_what_small_models_write_around_a_program(code, value, stdout):
    result = run_python(code)
    assert (result.status, result.value, result.stdout) == ("ok", value, stdout), result.error


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("Text\n```python\nx = 1\nx / 0\n```", "ZeroDivisionError: division by zero (line 4)"),
        ("```python\ndef f(:\n```", "SyntaxError: invalid syntax (line 2)"),
        ("```output\n42\n```", "SyntaxError: invalid syntax (line 1)"),
        ("print('a')\nexit('no data')", "SystemExit: no data"),
        ("quit(3)", "SystemExit: 3"),
    ],
)
def test_what_is_wrong_with_it_is_named_where_it_was_written(code, error):
    result = run_python(code)
    assert (result.status, result.error) == ("error", error)


@pytest.mark.parametrize("name", ["numpy", "pandas.core", "requests"])
def test_a_missing_module_names_what_is_there(name):
    error = run_python(f"import {name}").error or ""
    assert error.startswith(f"ModuleNotFoundError: No module named '{name.partition('.')[0]}'")
    assert "available: sympy and Python's standard library (math, fractions," in error
    assert (NO_NETWORK in error) == (name == "requests")


def test_a_missing_module_without_sympy():
    with Sandbox(packages=()) as bare:
        error = bare.run("import sympy").error or ""
    assert "'sympy'" in error and "available: Python's standard library (math" in error


@pytest.mark.parametrize(
    "code",
    [
        "import socket\nsocket.socket()",
        "import socket\nsocket.gethostbyname('a.org')",
        "import socket\nsocket.create_connection(('1.1.1.1', 80))",
        "from urllib.request import urlopen\nurlopen('http://a.org')",
        "from urllib.request import urlopen\nurlopen('https://a.org')",
        "import http.client\nhttp.client.HTTPConnection('a.org').request('GET', '/')",
        "import ftplib\nftplib.FTP('a.org')",
    ],
)
def test_no_network_says_so(code):
    result = run_python(code)
    assert result.status == "error" and (result.error or "").endswith(NO_NETWORK)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import asyncio\nasyncio.run(asyncio.sleep(0))", "asyncio does not work in this sandbox"),
        ("import subprocess\nsubprocess.run(['ls'])", "no other processes in this sandbox"),
        ("open('x', 'w')", "none can be written"),
    ],
)
def test_what_else_is_not_there_says_so(code, said):
    assert said in (run_python(code).error or "")


@pytest.mark.parametrize(
    "code",
    [
        "import json, traceback\ntry: json.loads('{')\nexcept ValueError: traceback.print_exc()",
        "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()",
        "import traceback\ntraceback.print_stack()",
        "from sympy import ghost",
        "import os, sys, sympy\nos.__file__, sys.path, sympy.__file__",
    ],
)
def test_no_path_of_this_machine_is_shown(code):
    result = run_python(code, Limits(output_chars=20_000))
    text = f"{result.stdout} {result.value} {result.error}"
    assert "<python>" in text or "<packages>" in text or "<umi_lite>" in text
    own = {os.path.dirname(os.__file__), os.path.dirname(os.path.dirname(sympy.__file__))}
    assert not [path for path in (*own, str(Path(__file__).parents[2])) if path in text]


def test_an_error_that_lies_about_itself_is_still_an_error():
    odd = "class Odd(ImportError):\n    @property\n    def name(self): raise SystemExit\n"
    result = run_python(f"{odd}raise Odd('x')")
    assert (result.status, result.error) == ("error", "Odd: x (line 4)")


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
