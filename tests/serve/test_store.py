"""The trace store: found by words, tool, ending and time; whole after a kill at any point."""

import sqlite3
import subprocess
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

import pytest
from episodes import CALLER, DONE, GIVE_UP, TOOLS, episode
from scripted import Scripted

from umi_lite.agent.agent import Agent
from umi_lite.agent.conversation import Conversation
from umi_lite.errors import Note, UserError
from umi_lite.protocol.trajectory import Plan, User
from umi_lite.serve.keeper import Keeper
from umi_lite.serve.pick import prompt_of
from umi_lite.serve.query import Query, moment
from umi_lite.serve.store import TraceStore


@pytest.fixture
def store(tmp_path):
    with TraceStore(tmp_path / "deep" / "traces.db") as made:
        yield made


def found(store: TraceStore, **query) -> list[str]:
    return [entry.id for entry in store.list(Query(**query))]


def test_what_was_saved_is_loaded_and_listed_newest_first(store):
    made = [episode(f"run-{n}", words=f"Double {n}") for n in range(3)]
    assert [store.save(trace) for trace in made] == ["run-0", "run-1", "run-2"]
    assert [store.load(f"run-{n}") for n in range(3)] == made
    newest, *_ = entries = store.list()
    assert [entry.id for entry in entries] == ["run-2", "run-1", "run-0"]
    assert (newest.state, newest.failed, newest.answer) == ("answer", False, "It is 42.")
    assert (newest.tools, newest.calls, newest.bundle) == (("double",), 1, "small")
    assert newest.began == made[2].started.timestamp() and newest.tokens == made[2].tokens
    assert store.load("last") == made[2] and found(store, most=2) == ["run-2", "run-1"]


def test_a_trace_takes_the_place_of_its_older_form(store):
    store.save(episode("a", CALLER, 'double {"n": 1}', GIVE_UP, words="old words"))
    before = store.list()[0].change
    store.save(episode("a", words="new words"))
    (entry,) = store.list()
    assert entry.state == "answer" and entry.change > before
    assert found(store, words="new words") == ["a"] and found(store, words="old words") == []
    assert found(store, after=before) == ["a"] and found(store, after=entry.change) == []


def test_an_id_may_be_short_if_it_is_clear(store):
    for ident in ("run-abc", "run-abd", "run-x"):
        store.save(episode(ident))
    assert store.load("run-x").trajectory.id == store.load("run-abd").trajectory.id[:4] + "x"
    with pytest.raises(UserError, match="could be each of run-abc, run-abd"):
        store.load("run-ab")
    for missing in ("nothing", "", "run-%"):
        with pytest.raises(UserError, match=r"no trace .*; `umi trace ls` lists them"):
            store.load(missing)


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("paris", ["b"]),
        ("PARIS weather", ["b"]),
        ("18 °C", ["b"]),
        ("東京は今", ["c"]),
        ("京", ["c"]),
        ('say "hi"', ["c"]),
        ("100%_x", ["c"]),
        ("%", ["c"]),
        ("lat", []),
        ("2", ["b", "a"]),
        ("the planner wanted", []),
        ("", ["c", "b", "a"]),
        ("OR", []),
        ("NEAR( * ^ text:", []),
        ("after\0zero", ["c"]),
    ],
)
def test_full_text(store, words, ids):
    store.save(episode("a"))
    turns = (CALLER, 'weather {"city": "Paris"}', DONE, "Fine.")
    store.save(episode("b", *turns, words="Is it warm, 2 days from now?"))
    store.save(episode("c", DONE, 'I say "hi" at 100%_x\0 zero, after', words="東京は今何時ですか"))
    assert found(store, words=words) == ids


def test_failed_tool_and_time(store):
    now = time.time()
    store.save(episode("good"))
    store.save(episode("gave-up", CALLER, 'weather {"city": "Rome"}', GIVE_UP))
    store.save(episode("cut", DONE, "It is…"))
    old = episode("old", "nobody")
    store.save(old.model_copy(update={"started": old.started.replace(year=2020)}))
    assert set(found(store, failed=True)) == {"gave-up", "cut", "old"}
    assert found(store, tool="weather") == ["gave-up"] and found(store, tool="wea") == []
    assert set(found(store, since=now - 60)) == {"good", "gave-up", "cut"}
    assert found(store, failed=True, words="rome", tool="weather", since=now - 60) == ["gave-up"]


def test_moments():
    assert abs(moment("1d") - (time.time() - 86400)) < 5 and moment("2h") > moment("1d")
    assert moment("2026-11-29T10:00:00+00:00") == 1795946400
    assert moment("2026-11-29") == datetime(2026, 11, 29).timestamp()
    for wrong in ("yesterday", "1 day", "-1d", "", "d"):
        with pytest.raises(UserError, match="is not a time"):
            moment(wrong)


def test_a_running_episode_is_listed_and_a_killed_one_is_a_failure(store):
    seen = []
    keeper = Keeper(store)

    def keep(trace, running):
        keeper(trace, running)
        (entry,) = store.list()
        seen.append((entry.state, entry.failed, len(store.load("a").trajectory.steps)))

    episode("a", on_trace=keep)
    assert seen == [("running", False, n) for n in range(6)] + [("answer", False, 5)]
    assert keeper.kept
    store.save(episode("b"), running=True)
    process = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], text=True,
                             capture_output=True, check=True)  # fmt: skip
    with sqlite3.connect(store.path) as db:
        db.execute("UPDATE traces SET writer = ? WHERE id = 'b'", (int(process.stdout),))
    entry = store.list()[0]
    assert (entry.id, entry.state, entry.failed) == ("b", "killed", True)
    assert found(store, failed=True) == ["b"]


def test_a_failure_is_one_note(tmp_path):
    (tmp_path / "traces.db").mkdir()
    keeper = Keeper(TraceStore(tmp_path / "traces.db"))
    with pytest.warns(Note, match="cannot be written: Is a directory; the trace is not") as notes:
        trace = episode("a", on_trace=keeper)
    assert trace.answer == "It is 42." and not keeper.kept and len(notes) == 1


def test_what_is_removed_is_neither_listed_nor_found(store):
    store.save(episode("a", words="Lentils?"))
    store.save(episode("b"))
    assert found(store, words="lentils") == ["a"]
    store.remove("a")
    store.remove("a")
    assert found(store) == ["b"] and found(store, words="lentils") == []
    with sqlite3.connect(store.path) as db:
        db.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        assert db.execute("SELECT count(*) FROM words").fetchone() == (1,)


def test_nothing_is_made_by_reading(store):
    assert store.list() == [] and not store.path.parent.exists()
    with pytest.raises(UserError, match="no trace 'last'"):
        store.load("last")


def test_only_the_user_can_read_it(store):
    store.save(episode("a"))
    files = list(store.path.parent.iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert store.path.parent.stat().st_mode & 0o777 == 0o700
    store.close()
    assert [file.name for file in store.path.parent.iterdir()] == ["traces.db"]


def test_a_user_may_delete_it_while_it_is_open(store):
    store.save(episode("a"))
    for file in store.path.parent.iterdir():
        file.unlink()
    assert store.list() == []
    store.save(episode("b"))
    assert found(store) == ["b"]
    with TraceStore(store.path) as other:
        assert found(other) == ["b"]
        # The file alone, without those that SQLite keeps next to it.
        store.path.unlink()
        other.save(episode("c"))
        store.save(episode("d"))
        assert set(found(store)) == {"c", "d"} == set(found(other))


def test_a_newer_programs_file_is_refused(store):
    store.save(episode("a"))
    with sqlite3.connect(store.path) as db:
        db.execute("PRAGMA user_version = 2")
    with (
        pytest.raises(UserError, match="is of version 2, this program's is 1"),
        TraceStore(store.path) as other,
    ):
        other.list()


def test_threads_and_connections_save_at_once(store):
    traces = [episode(f"t-{n}") for n in range(40)]
    with TraceStore(store.path) as other:

        def save(part: list, at: TraceStore) -> None:
            for trace in part:
                at.save(trace)

        threads = [
            threading.Thread(target=save, args=(traces[i::4], store if i % 2 else other))
            for i in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    entries = store.list()
    assert len(entries) == 40 and len({entry.change for entry in entries}) == 40


def test_threads_and_processes_open_a_new_file_at_once(tmp_path):
    """Each of 20 files is opened by three threads in each of two processes at one moment."""
    both = [
        subprocess.Popen(
            [sys.executable, "-c", FIND + OPENER, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "ab"
    ]
    assert [process.stdout.readline() for process in both] == ["ready\n"] * 2
    start = str(time.time() + 0.2)
    assert [process.communicate(start, timeout=60) for process in both] == [("", "")] * 2
    for n in range(20):
        with TraceStore(tmp_path / f"{n}.db") as store:
            assert len(store.list()) == 6


FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
FIND = f"import sys; sys.path[:0] = {FOLDERS!r}\n"
OPENER = """
import threading, time
from pathlib import Path
from umi_lite.serve.store import TraceStore
from episodes import episode
folder, name = Path(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
start = float(sys.stdin.read())

def save(thread):
    for n in range(20):
        made = episode(f"{name}-{thread}-{n}")
        with TraceStore(folder / f"{n}.db") as store:
            time.sleep(max(0, start + n / 20 - time.time()))
            store.save(made)

for thread in range(3):
    threading.Thread(target=save, args=(thread,)).start()
"""


def test_the_prompt_of_a_turn_is_not_that_of_one_that_a_chat_left_out():
    engine = Scripted(CALLER, "double {", DONE, "Yes.")
    chat = Conversation(Agent(engine, TOOLS))
    assert (chat.say("First?").stop, chat.say("Second?").answer) == ("bad_turn", "Yes.")
    trace = chat.trace()
    assert [type(step) for step in trace.trajectory.steps[:2]] == [User, Plan]
    assert [turn.step for turn in trace.turns] == [0, 1, 1, 2]
    assert prompt_of(trace, 2) == engine.prompt(2)
    with pytest.raises(UserError, match="no prompt of turn 1; it has those of 2, 3"):
        prompt_of(trace, 1)


# Saves until it is killed, and prints each id once its save has returned. It is forked from a
# process that has imported all it needs. Half of the processes may be killed before their first
# save; the others are killed after it.
SAVER = """
import os, random, signal, time
from pathlib import Path
from episodes import episode
from umi_lite.serve.store import TraceStore
path, made = Path(sys.argv[1]), episode("x")
for kill in range(20):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        store = TraceStore(path)
        for n in range(10_000):
            task = made.trajectory.model_copy(update={"id": f"k{kill}-{n}"})
            for steps in range(1, 6):
                part = task.model_copy(update={"steps": task.steps[:steps]})
                store.save(made.model_copy(update={"trajectory": part}), running=steps < 5)
            os.write(write, f"k{kill}-{n}\\n".encode())
    os.close(write)
    saved = os.fdopen(read)
    if kill % 2:
        print(saved.readline(), end="")
    time.sleep(0.01 + 0.15 * random.random())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(saved.read(), end="")
"""


def test_killed_at_20_random_points_while_it_saves(tmp_path):
    path = tmp_path / "traces.db"
    run = [sys.executable, "-c", FIND + SAVER, str(path)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    saved = done.stdout.split()
    assert len({name.partition("-")[0] for name in saved}) >= 10, "it was killed before it saved"
    with TraceStore(path) as store:
        entries = {entry.id: entry for entry in store.list()}
        assert set(saved) <= entries.keys()
        steps = {ident: store.load(ident).trajectory.steps for ident in entries}
        for ident, entry in entries.items():
            whole = len(steps[ident]) == 5
            assert entry.state == ("answer" if whole else "killed")
            assert whole or ident not in saved
        # The call's result is 42, and so is the end of an id.
        said = {i for i, made in steps.items() if len(made) > 2 or "42" in i}
        assert set(found(store, words="42")) == said
        store.save(episode("after"))
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        db.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        counts = "SELECT (SELECT count(*) FROM traces), (SELECT count(*) FROM words)"
        assert db.execute(counts).fetchone() == (len(entries) + 1, len(entries) + 1)
