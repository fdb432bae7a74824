"""Architect weighs designs with a model that reasons, which costs, and stops itself when its budget is spent.

The exporter's configuration names the budget `architects`. A block is measured here, so that reading the question is
not taken for the provider's time.
"""

import os
import urllib.error
import urllib.request

import openai

from llm_exporter import LLMMonitor

QUESTIONS = [
    "One database for all tenants, or one for each?",
    "Where do retries belong: in the client, the gateway, or the queue?",
    "How do two services agree on the state of an order?",
    "What may be cached, for how long, and who clears it?",
    "Which of these modules should not know of each other?",
    "When is a queue worth its operation?",
]
EXPORTER = os.environ.get("LLM_EXPORTER_URL", "http://127.0.0.1:10140")
client = openai.OpenAI(max_retries=0, timeout=2.0)
monitor = LLMMonitor(EXPORTER)


def money_is_left():
    """402 means that the budget is spent. Without an exporter, or without that budget, the work goes on."""
    try:
        urllib.request.urlopen(f"{EXPORTER}/api/v1/budgets/architects", timeout=2).close()
    except urllib.error.HTTPError as error:
        return error.code != 402
    except OSError:
        pass
    return True


def weigh(question):
    with monitor.monitor_llm_call("Architect", "openai", "gpt-5-mini") as call:
        prompt = f"Weigh the alternatives, then decide.\n\n{question}"
        with call.api():
            answer = client.responses.create(model="gpt-5-mini", input=prompt)
        call.observe(answer)
    return answer.output_text


def main():
    for question in QUESTIONS:
        if not money_is_left():
            print("Architect stops: its budget is spent")
            return
        try:
            print(f"Architect on {question} {weigh(question)[:60]}…")
        except openai.APIError as error:
            print(f"Architect on {question} no answer, {type(error).__name__}")


if __name__ == "__main__":
    main()
