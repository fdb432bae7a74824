"""The Anthropic SDK: a message, a message whose prompt is cached, and both kinds of stream."""

import anthropic

from llm_exporter import default_monitor, monitor_llm_call

MODEL = "claude-haiku-4-5"
LONG = "The warehouse counts by hand on the last day of each month, and writes what is missing into a list. " * 60
ASK = {"model": MODEL, "max_tokens": 300, "messages": [{"role": "user", "content": "What is counted, and when?"}]}
CACHED = {**ASK, "system": [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]}
client = anthropic.Anthropic(max_retries=0)
call = monitor_llm_call("AnthropicExample", "anthropic", MODEL)


def main():
    create = call(client.messages.create)
    print("message:", create(**ASK).content[0].text)
    print("writes the cache:", create(**CACHED).usage.cache_creation_input_tokens, "tokens")
    print("reads the cache:", create(**CACHED).usage.cache_read_input_tokens, "tokens")
    print("events:", [event.type for event in create(stream=True, **ASK)][-1])
    with call(client.messages.stream)(**ASK) as stream:
        print("stream:", "".join(stream.text_stream))
    default_monitor().flush()
    print(default_monitor().statistics())


if __name__ == "__main__":
    main()
