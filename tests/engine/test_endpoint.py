"""Roles at an endpoint: the official client, real HTTP, the embedded model behind it."""

import pytest
from completions import served
from tiny_lora import write_adapter

from umi_lite.agent.agent import Agent, Job, run_many
from umi_lite.agent.episode import Bounds
from umi_lite.engine.client import Endpoint
from umi_lite.engine.endpoint import HybridEngine
from umi_lite.engine.engine import Engine
from umi_lite.engine.request import Request
from umi_lite.errors import UserError
from umi_lite.protocol.trajectory import ROLES
from umi_lite.tools.tools import Toolbox, tool

BOUNDS = Bounds(max_calls=2, max_thought_tokens=48, max_call_tokens=32, max_answer_tokens=24)


@tool
def shout(word: str) -> str:
    """Say a word loudly."""
    return word.upper()


TOOLS = Toolbox([shout])


@pytest.fixture(scope="module")
def loras(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("loras")
    return {role: write_adapter(folder / f"{role}.gguf", seed=i) for i, role in enumerate(ROLES)}


@pytest.fixture(scope="module")
def behind(base_gguf, loras):
    with Engine(base_gguf, loras, n_ctx=1024) as engine:
        yield engine


def told(trace):
    return trace.trajectory.steps, trace.stop, [turn.view for turn in trace.turns]


def test_the_same_episode_wherever_the_roles_are(base_gguf, loras, behind):
    """All here; the caller away; all away: step by step the same."""
    with Engine(base_gguf, loras, n_ctx=1024) as engine:
        here = Agent(engine, TOOLS, BOUNDS).run("Shout the word hello.")
    heard = []
    with served(behind, "vllm") as server:
        for names in (("caller",), ROLES):
            away = {role: Endpoint(server.url, role) for role in names}
            rest = {role: path for role, path in loras.items() if role not in names}
            with HybridEngine(Engine(base_gguf, rest, n_ctx=1024), away) as roles:
                agent = Agent(roles, TOOLS, BOUNDS)
                there = agent.run("Shout the word hello.", lambda *event: heard.append(event))
            assert told(there) == told(here)
            said = "".join(text for role, text in heard if role == "planner")
            assert there.trajectory.steps[0].thought in said
        asked = {body["model"]: body for body in server.asked}
    assert asked.keys() >= {"planner", "caller"}
    assert all(isinstance(token, int) for token in asked["planner"]["prompt"])
    assert "Next: " in asked["planner"]["structured_outputs"]["grammar"]


def test_a_server_without_grammars_is_checked_as_it_speaks(base_gguf, behind):
    with served(behind, "somebody") as server:
        away = {"planner": Endpoint(server.url, "planner")}
        with HybridEngine(Engine(base_gguf, {}, n_ctx=512), away) as roles:
            ids = roles.language("planner").encode("One, two, three, four,", special=False)

            def say(grammar, count=12):
                return roles.generate(Request("planner", ids, grammar=grammar, max_tokens=count))

            free = say(None)
            assert "structured_outputs" not in server.asked[-1] and free.stop == "length"
            # The grammar ends in the midst of what the server says.
            half = free.text[: len(free.text) // 2]
            whole = say(f'start: "{half}"'.replace("\n", "\\n"))
            assert (whole.text, whole.stop) == (half, "grammar")
            # It says something else: that is kept, for the trace.
            wrong = say('start: "~~~" /.*/')
            assert wrong.stop == "illegal" and wrong.text and free.text.startswith(wrong.text)
            trace = Agent(roles, TOOLS, Bounds(max_thought_chars=5)).run("Shout hello.")
    assert trace.stop == "bad_turn" and "left its grammar" in trace.error


def test_many_at_once(base_gguf, loras, behind):
    """A batch whose caller is away ends as the same batch does here."""
    tasks = [Job(task(i), TOOLS) for i in range(3)]
    with Engine(base_gguf, loras, n_ctx=1024) as engine:
        here = run_many(engine, tasks, bounds=BOUNDS)
    with served(behind, "vllm") as server:
        rest = {role: loras[role] for role in ("planner", "summarizer")}
        away = {"caller": Endpoint(server.url, "caller")}
        with HybridEngine(Engine(base_gguf, rest, n_ctx=1024, slots=1), away) as roles:
            there = run_many(roles, tasks, bounds=BOUNDS)
        assert server.asked
    assert [told(trace) for trace in there] == [told(trace) for trace in here]


def task(number):
    from umi_lite.protocol.trajectory import Trajectory

    words = f"Shout the word w{number}."
    return Trajectory(id=str(number), source="test", tools=TOOLS.specs, instruction=words)


def test_what_users_get_wrong(base_gguf, behind, monkeypatch):
    with pytest.raises(UserError, match=r"right is http://HOST:PORT/v1#MODEL"):
        Endpoint.parse("http://localhost:8000/v1")
    assert Endpoint.parse("https://a/v1/#b") == Endpoint("https://a/v1", "b")

    def opened(endpoint):
        return HybridEngine(Engine(base_gguf, {}, n_ctx=64), {"caller": endpoint})

    with pytest.raises(UserError, match=r"endpoint http://127.0.0.1:9/v1 \(m\): Connection"):
        opened(Endpoint("http://127.0.0.1:9/v1", "m"))
    with served(behind, "vllm") as server:
        with pytest.raises(UserError, match="no model 'cook'; it has: caller, planner, summarizer"):
            opened(Endpoint(server.url, "cook"))
        with opened(Endpoint(server.url, "caller")) as roles:
            with pytest.raises(UserError, match="thirteen is refused"):
                roles.generate(Request("caller", [5], max_tokens=13))
            with pytest.raises(UserError, match="do not fit a context of 64"):
                roles.submit(Request("caller", [5] * 60, max_tokens=13))
