"""Codesmith writes code with a model that the company serves itself, behind an interface like OpenAI's.

No price table knows that model: its calls are counted as unpriced. And its streams do not tell their usage: they are
counted as calls without it. The exporter's --config.file is the place for such a price.
"""

import openai

from llm_exporter import monitor_llm_call

TASKS = ["a parser for RFC 3339 dates", "a bounded queue", "a retry with jitter", "a test for the queue"]
client = openai.OpenAI(max_retries=0, timeout=2.0)


@monitor_llm_call("Codesmith", "acme", "acme-coder-7b")
def plan(task):
    return client.chat.completions.create(
        model="acme-coder-7b", messages=[{"role": "user", "content": f"Plan, in five lines: {task}"}]
    )


@monitor_llm_call("Codesmith", "acme", "acme-coder-7b")
def write(task, steps):
    return client.chat.completions.create(
        model="acme-coder-7b", messages=[{"role": "user", "content": f"Write {task}:\n{steps}"}], stream=True
    )


def main():
    for task in TASKS:
        try:
            steps = plan(task).choices[0].message.content
            code = "".join(chunk.choices[0].delta.content or "" for chunk in write(task, steps))
            print(f"Codesmith wrote {task}: {len(code)} characters")
        except openai.APIError as error:
            print(f"Codesmith gave up on {task}: {type(error).__name__}")


if __name__ == "__main__":
    main()
