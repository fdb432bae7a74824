"""Research reads one long source with several questions at once: asynchronous calls, side by side.

The source is marked for Anthropic's cache: the first call writes it there, the others read it, at a tenth of the price.
"""

import asyncio

import anthropic

from llm_exporter import monitor_llm_call

SOURCE = "In the third year the yield fell where the soil had been turned, and rose where it had been covered. " * 60
QUESTIONS = ["What was measured?", "Over how many years?", "Which plots did better?", "What is not said?"]
MODEL = "claude-sonnet-4-5"


@monitor_llm_call("Research", "anthropic", MODEL)
async def ask(client, question):
    return await client.messages.create(
        model=MODEL,
        max_tokens=500,
        system=[{"type": "text", "text": SOURCE, "cache_control": {"type": "ephemeral"}}],
        messages=[{"role": "user", "content": question}],
    )


async def main():
    async with anthropic.AsyncAnthropic(max_retries=0, timeout=2.0) as client:
        first = await asyncio.gather(ask(client, "What is this about?"), return_exceptions=True)
        others = await asyncio.gather(*(ask(client, question) for question in QUESTIONS), return_exceptions=True)
    for question, answer in zip(["What is this about?", *QUESTIONS], [*first, *others]):
        if isinstance(answer, anthropic.APIError):
            print(f"Research on {question} no answer, {type(answer).__name__}")
        elif isinstance(answer, BaseException):
            raise answer
        else:
            print(f"Research on {question} {answer.content[0].text[:60]}…")


if __name__ == "__main__":
    asyncio.run(main())
