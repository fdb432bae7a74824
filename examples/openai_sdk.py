"""The OpenAI SDK: chat completions and responses, whole and as a stream, plain and asynchronous."""

import asyncio

import openai

from llm_exporter import default_monitor, monitor_llm_call

MODEL = "gpt-4o-mini"
QUESTION = [{"role": "user", "content": "What does this function do?"}]
client = openai.OpenAI(max_retries=0)
call = monitor_llm_call("OpenAIExample", "openai", MODEL)


@call
def whole():
    return client.chat.completions.create(model=MODEL, messages=QUESTION)


@call
def stream():
    # Without include_usage a stream of chat completions tells no tokens.
    return client.chat.completions.create(
        model=MODEL, messages=QUESTION, stream=True, stream_options={"include_usage": True}
    )


@call
def respond():
    return client.responses.create(model=MODEL, input="What does this function do?")


@call
async def asynchronous():
    async with openai.AsyncOpenAI(max_retries=0) as other:
        return await other.chat.completions.create(model=MODEL, messages=QUESTION)


def main():
    print("whole:", whole().choices[0].message.content)
    print("stream:", "".join(chunk.choices[0].delta.content or "" for chunk in stream() if chunk.choices))
    print("responses:", respond().output_text)
    print("asynchronous:", asyncio.run(asynchronous()).choices[0].message.content)
    # The end of a program waits for its records by itself. Asked for here, to show what became of them.
    default_monitor().flush()
    print(default_monitor().statistics())


if __name__ == "__main__":
    main()
