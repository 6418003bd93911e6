"""The supervisor: sessions, death on either side, what is left, and what it takes to start."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from asuser import as_user
from studies import STUDY

from umi_lite.errors import UserError
from umi_lite.sandbox import places, probe
from umi_lite.sandbox import sandbox as host_side
from umi_lite.sandbox.attacks.suite import descendants
from umi_lite.sandbox.result import Limits
from umi_lite.sandbox.sandbox import Sandbox

SHORT = Limits(seconds=1.0)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(packages=()) as made:
        yield made


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until_gone(pids: list[int]) -> list[int]:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(map(alive, pids)):
        time.sleep(0.01)
    return [pid for pid in pids if alive(pid)]


def test_programs_of_their_own_share_nothing(sandbox):
    sandbox.run("import math\nmath.pi = 3\nx = 1")
    assert sandbox.run("import math\nmath.pi > 3.1, 'x' in globals()").value == "(True, False)"


def test_a_program_larger_than_a_pipe(sandbox):
    result = sandbox.run(f"x = '{'a' * 1_500_000}'\nlen(x)")
    assert (result.value, result.status) == ("1500000", "ok")
    assert result.seconds < 2


def test_a_session_keeps_its_variables(sandbox):
    with sandbox.session() as session:
        assert session.run("x = 20\nprint('a')").stdout == "a\n"
        assert session.run("def f(y): return x + y").status == "ok"
        assert session.run("1 / 0").status == "error"
        assert session.run("f(22)").value == "42"
        assert not session.run("f(1)").state_lost


@pytest.mark.parametrize(
    ("breach", "status"),
    [
        ("while True: pass", "limit"),
        ("import os; os.abort()", "crash"),
        ("import os; os._exit(0)", "ok"),
        ("import os; os.write(4, b'\\xff' * 8)", "crash"),
        ("import os\nwhile True: os.write(1, b'x' * 65536)", "limit"),
    ],
)
def test_a_session_that_breaks_its_bounds_loses_its_state(sandbox, breach, status):
    with sandbox.session(SHORT) as session:
        session.run("x = 1")
        result = session.run(breach)
        assert (result.status, result.state_lost) == (status, True)
        after = session.run("'x' in globals()")
        assert (after.status, after.value, after.state_lost) == ("ok", "False", False)


def test_a_session_stands_still_between_programs(sandbox):
    count = (
        "import threading\nn = 0\ndef count():\n    global n\n    while True: n += 1\n"
        "threading.Thread(target=count, daemon=True).start()"
    )
    with sandbox.session() as session:
        session.run(count)
        before = int(session.run("n").value or 0)
        time.sleep(1.0)
        after = int(session.run("n").value or 0)
        ran = int(session.run("import time\nm = n\ntime.sleep(0.3)\nn - m").value or 0)
    assert after - before < ran


def test_a_session_can_lie_about_itself_alone(sandbox):
    late = (
        "import os, json, struct, threading, time\n"
        "b = json.dumps({'kind': 'value', 'text': 'fake'}).encode()\n"
        "def later():\n    time.sleep(0.01)\n    os.write(4, struct.pack('>I', len(b)) + b)\n"
        "threading.Thread(target=later).start()\n1"
    )
    with sandbox.session() as liar, sandbox.session() as honest:
        liar.run(late)
        asked = threading.Thread(target=liar.run, args=("import time\ntime.sleep(0.2)",))
        asked.start()
        said = [honest.run(f"{i}").value for i in range(50)]
        asked.join()
    assert said == [str(i) for i in range(50)]


def test_with_many_others_nothing_is_inherited(sandbox):
    # Then the supervisor's descriptors are above a worker's limit on them.
    scan = (
        "import os\nfound = []\nfor fd in range(4096):\n"
        "    try: os.fstat(fd); found.append(fd)\n    except OSError: pass\nfound"
    )
    sessions = [sandbox.session() for _ in range(30)]
    try:
        assert all(session.run("1").value == "1" for session in sessions)
        assert sandbox.run(scan).value == "[0, 1, 2, 3, 4]"
    finally:
        for session in sessions:
            session.close()


def test_a_liar_beside_an_honest_program(sandbox):
    # One floods its channel while the other runs: neither waits for it nor mixes with it.
    flood = "import os\nwhile True: os.write(1, b'fake' * 1000)"
    liars = [threading.Thread(target=sandbox.run, args=(flood, SHORT)) for _ in range(4)]
    for thread in liars:
        thread.start()
    honest = [sandbox.run(f"print({i})").stdout for i in range(20)]
    for thread in liars:
        thread.join()
    assert honest == [f"{i}\n" for i in range(20)]


def test_a_killed_supervisor_is_replaced_and_takes_its_leaves_along():
    chance = random.Random(0)
    with Sandbox(packages=()) as sandbox, sandbox.session() as session:
        for turn in range(50 if STUDY else 5):
            session.run("x = 1")
            asked = threading.Thread(target=sandbox.run, args=("import time\ntime.sleep(0.05)",))
            asked.start()
            time.sleep(chance.uniform(0.0, 0.03))
            assert sandbox.pid is not None
            old = descendants(sandbox.pid)
            # At `full` the outermost is bubblewrap, then comes the supervisor, then the workers.
            killed = chance.choice(old[:2])
            os.kill(killed, signal.SIGKILL)
            while alive(killed):
                time.sleep(0.001)
            assert sandbox.run(f"{turn} + 1").value == str(turn + 1)
            asked.join()
            assert not wait_until_gone(old)


def test_a_session_outlives_its_supervisor_without_its_state():
    with Sandbox(packages=()) as sandbox, sandbox.session() as session:
        session.run("x = 1")
        assert sandbox.pid is not None
        for pid in reversed(descendants(sandbox.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        result = session.run("'x' in globals()")
        assert (result.value, result.state_lost) == ("False", True)


def test_packages_are_imported_when_the_first_program_comes(monkeypatch, tmp_path):
    monkeypatch.setattr(places, "package_folder", lambda _: (["no_such_package"], str(tmp_path)))
    with Sandbox() as sandbox:
        sandbox.start()
        result = sandbox.run("1")
    assert result.status == "crash"
    assert result.error is not None
    assert result.error.endswith(
        "died, twice: ModuleNotFoundError: No module named 'no_such_package'"
    )


def test_the_supervisor_dies_with_its_host():
    host = (
        "import sys, time\nfrom umi_lite.sandbox.sandbox import Sandbox\n"
        "from umi_lite.sandbox.attacks.suite import descendants\n"
        "sandbox = Sandbox(packages=())\nsession = sandbox.session()\nsession.run('1')\n"
        "print(*descendants(sandbox.pid), flush=True)\nsession.run('import time; time.sleep(60)')"
    )
    process = subprocess.Popen([sys.executable, "-c", host], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) >= 2 and all(map(alive, pids))
        process.kill()
    assert not wait_until_gone(pids)


def test_a_thread_that_starts_it_may_end():
    with Sandbox(packages=()) as sandbox:
        thread = threading.Thread(target=sandbox.start)
        thread.start()
        thread.join()
        pid = sandbox.pid
        time.sleep(0.1)
        assert sandbox.run("1").value == "1" and sandbox.pid == pid


def test_many_programs_leave_nothing(level):
    """250 of them, 1,000 in `make study`."""
    count = 1000 if STUDY else 250
    code = (
        "import json, sys\nfrom umi_lite.sandbox.attacks.soak import soak\n"
        f"print(json.dumps(soak(json.load(sys.stdin), {count}, lambda line: None)))"
    )
    counts = as_user(code, level)
    assert (counts["zombies"], counts["leaked"], counts["wrong"]) == (0, 0, 0)
    assert counts["RSS growth MB"] < 2.0


def test_what_gets_through_is_named(monkeypatch):
    held = {"held": lambda: os.stat("/nowhere"), "through": lambda: None}
    monkeypatch.setattr(probe, "_ATTEMPTS", held)
    assert probe.breaches(lambda: None) == ["through"]


def test_what_cannot_be_confined_is_named(monkeypatch):
    def confine() -> None:
        raise PermissionError("no Landlock")

    assert probe.breaches(confine) == ["not available: no Landlock"]


def test_a_level_that_is_missing_is_refused_and_nothing_runs(monkeypatch):
    monkeypatch.setattr(places, "bwrap_program", lambda: None)
    with Sandbox("full") as sandbox:
        result = sandbox.run("print(1)")
        assert (result.status, result.stdout, result.level) == ("refused", "", None)
        assert "bubblewrap (bwrap) is not installed" in (result.error or "")
        with pytest.raises(UserError, match="bubblewrap"):
            sandbox.start()


def test_what_bubblewrap_says_is_reported(monkeypatch, tmp_path):
    fails = tmp_path / "bwrap"
    fails.write_text("#!/bin/sh\necho 'bwrap: no namespaces here' >&2\nexit 1\n")
    fails.chmod(0o755)
    monkeypatch.setattr(places, "bwrap_program", lambda: str(fails))
    assert "full: bwrap: no namespaces here" in (Sandbox("full").run("1").error or "")


def test_windows_is_sent_to_wsl(monkeypatch):
    monkeypatch.setattr(host_side.sys, "platform", "win32")
    assert "WSL2" in (Sandbox().run("1").error or "")


def test_run_prints_json(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("print('hi')\n6 * 7")
    umi = Path(sys.executable).parent / "umi"
    done = subprocess.run(
        [umi, "sandbox", "run", program, "--json"], capture_output=True, text=True, timeout=60
    )
    result = json.loads(done.stdout)
    assert list(result) == ["status", "stdout", "value", "error", "limit", "level", "seconds"]
    assert (result["status"], result["stdout"], result["value"]) == ("ok", "hi\n", "42")
    assert result["level"] in ("full", "standard") and done.returncode == 0


def test_root_never_runs_without_a_sandbox(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("1")
    umi = Path(sys.executable).parent / "umi"
    words = [umi, "sandbox", "run", program, "--danger-run-without-any-sandbox", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if os.geteuid() == 0:
        assert done.returncode == 2 and "as root" in done.stderr
    else:
        assert json.loads(done.stdout)["level"] == "none"


def test_warm_imports_before_the_first_program():
    with Sandbox(packages=("sympy",)) as made:
        made.start()

        def resident() -> int:
            pids = descendants(made.pid)
            return max(psutil.Process(pid).memory_info().rss for pid in pids if alive(pid))

        before = resident()
        made.warm()
        assert resident() > before + 20 * 2**20
