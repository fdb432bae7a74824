"""Responder answers customers word by word. One of them closes the window before the answer is complete.

A stream is a call until its end. `include_usage` makes OpenAI tell the tokens in its last chunk; the stream that is
left early never gets there, and counts as cancelled.
"""

import openai

from llm_exporter import monitor_llm_call

LETTERS = [
    "Where is my order?",
    "I was charged twice.",
    "Can I change the address?",
    "The box arrived open.",
    "Do you ship to Norway?",
    "How do I cancel?",
]
IMPATIENT = "Do you ship to Norway?"
client = openai.OpenAI(max_retries=0, timeout=2.0)


def answer(letter):
    # Not the decorator: it would read the words that this yields, and the tokens stand in the chunks.
    with monitor_llm_call("Responder", "openai", "gpt-4.1-mini") as call:
        chunks = client.chat.completions.create(
            model="gpt-4.1-mini",
            messages=[{"role": "user", "content": letter}],
            stream=True,
            stream_options={"include_usage": True},
        )
        with call.observe(chunks):  # closes the connection, too, where the customer leaves
            for chunk in chunks:
                if chunk.choices:
                    yield chunk.choices[0].delta.content or ""


def main():
    for letter in LETTERS:
        words = answer(letter)
        try:
            if letter == IMPATIENT:
                next(words)
                words.close()
                print(f"Responder on {letter} the customer has left")
            else:
                print(f"Responder on {letter} {''.join(words)[:60]}…")
        except openai.APIError as error:
            print(f"Responder on {letter} no answer, {type(error).__name__}")


if __name__ == "__main__":
    main()
