"""LiteLLM with LiteLLMLogger: every call that LiteLLM makes is recorded, with LiteLLM's own tokens and cost."""

import asyncio
import os

# LiteLLM's price table comes with the package; without this it asks GitHub for a newer one.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

import litellm

from llm_exporter import default_monitor
from llm_exporter.litellm import LiteLLMLogger

litellm.callbacks = [LiteLLMLogger(agent_name="LiteLLMExample")]
QUESTION = [{"role": "user", "content": "Which of these invoices is late?"}]


async def main():
    answer = await litellm.acompletion("openai/gpt-4o-mini", QUESTION)
    print("OpenAI:", answer.choices[0].message.content)
    answer = await litellm.acompletion("anthropic/claude-haiku-4-5", QUESTION)
    print("Anthropic:", answer.choices[0].message.content)
    stream = await litellm.acompletion(
        # `agent_name` in its metadata makes a call that of another agent.
        "openai/gpt-4o-mini",
        QUESTION,
        stream=True,
        metadata={"agent_name": "LiteLLMStreamer"},
        stream_options={"include_usage": True},
    )
    print("stream:", "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]))
    # LiteLLM calls its loggers from tasks and threads of its own, a moment after the answer.
    for _ in range(50):
        if default_monitor().statistics().recorded == 3:
            break
        await asyncio.sleep(0.1)
    default_monitor().flush()
    print(default_monitor().statistics())


if __name__ == "__main__":
    asyncio.run(main())
