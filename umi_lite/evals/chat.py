"""One prompt to an LLM at an endpoint, one reply."""

from typing import Any

from umi_lite.runtime.endpoint import MALFORMED


def reply(client: Any, model: str, prompt: str, **sampling: Any) -> str:
    """What the model answers to the prompt as a user's one message, empty where it says nothing.

    Args:
        client: `Endpoint.client`.
        sampling: temperature, seed, max_tokens, as the API names them.

    Raises:
        openai.OpenAIError: the endpoint fails, after the client's retries, or what it sends is not
            of the API's form.
    """
    import openai

    try:
        said = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": prompt}], **sampling
        )
        return (said.choices[0].message.content or "") if said.choices else ""
    except MALFORMED as err:
        raise openai.OpenAIError(f"its answer is not of the API's form: {err}") from err
