"""Agent frameworks drive the roles through the server, unchanged."""

import pytest
from serving import CALLER, DONE, Talker, scripted, serving

smolagents = pytest.importorskip("smolagents")


def test_smolagents_completes_a_task_of_two_calls():
    @smolagents.tool
    def price(item: str) -> float:
        """The price of an item in euros.

        Args:
            item: its name
        """
        return {"pen": 2.0, "book": 12.0}[item]

    turns = (
        *(CALLER, 'price {"item": "pen"}'),
        *(CALLER, 'price {"item": "book"}'),
        *(CALLER, 'final_answer {"answer": "Together 14 euros."}'),
    )
    engine = Talker(scripted(*turns), letters=100)
    with serving(engine) as running:
        model = smolagents.OpenAIModel(
            model_id="small", api_base=f"{running.url}/v1", api_key="none"
        )
        agent = smolagents.ToolCallingAgent(tools=[price], model=model, verbosity_level=0)
        assert agent.run("What do a pen and a book cost?") == "Together 14 euros."
    # Its tool_choice is `required`: the planner cannot name another role.
    assert all("summarizer" not in str(request.grammar) for request in engine.asked[::2])
    # It sends a call's result as a message of the user.
    assert "2.0" in engine.prompt(2) and "12.0" in engine.prompt(4)


def test_smolagents_streams():
    @smolagents.tool
    def now() -> str:
        """The hour."""
        return "noon"

    turns = (CALLER, "now {}", CALLER, 'final_answer {"answer": "It is noon."}')
    with serving(Talker(scripted(*turns), letters=3)) as running:
        model = smolagents.OpenAIModel(
            model_id="small", api_base=f"{running.url}/v1", api_key="none"
        )
        agent = smolagents.ToolCallingAgent(
            tools=[now], model=model, stream_outputs=True, verbosity_level=0
        )
        assert agent.run("What time is it?") == "It is noon."


def test_pydantic_ai_completes_a_task_of_two_calls():
    pydantic_ai = pytest.importorskip("pydantic_ai")
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    asked: list[str] = []

    def price(item: str) -> float:
        """The price of an item in euros."""
        asked.append(item)
        return {"pen": 2.0, "book": 12.0}[item]

    turns = (
        *(CALLER, 'price {"item": "pen"}'),
        *(CALLER, 'price {"item": "book"}'),
        *(DONE, "Together 14 euros."),
    )
    engine = Talker(scripted(*turns), letters=100)
    with serving(engine) as running:
        provider = OpenAIProvider(base_url=f"{running.url}/v1", api_key="none")
        agent = pydantic_ai.Agent(OpenAIChatModel("small", provider=provider), tools=[price])
        made = agent.run_sync("What do a pen and a book cost?")
    assert asked == ["pen", "book"] and made.output == "Together 14 euros."
    # The transcript grows: all that was read before can be in the cache.
    assert engine.prompt(4).startswith(engine.prompt(2)) and "Result: 12.0" in engine.prompt(4)
