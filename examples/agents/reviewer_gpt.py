"""ReviewerGPT reviews the files of a pull request, one call a file.

The decorator is all it takes. Its guidelines are long, and the same in each call: the provider reads them from its
cache.
"""

import time

import openai

from llm_exporter import monitor_llm_call

GUIDELINES = "You review pull requests. " + "Name what breaks, who notices it, and the least that mends it. " * 80
FILES = {
    "billing/invoice.py": "-    total = sum(items)\n+    total = sum(item.price for item in items)",
    "billing/tax.py": "+RATE = 0.19\n+def tax(net):\n+    return net * RATE",
    "api/orders.py": "-@app.get('/orders')\n+@app.get('/orders', dependencies=[Depends(signed_in)])",
    "api/errors.py": "+except Exception:\n+    pass",
    "tests/test_tax.py": "+def test_tax():\n+    assert tax(100) == 19",
    "docs/orders.md": "+Orders need a signed-in user.",
}
# Without retries of its own: each attempt is then a call, and a rate limit is seen.
client = openai.OpenAI(max_retries=0, timeout=2.0)


@monitor_llm_call("ReviewerGPT", "openai", "gpt-4o-mini")
def review(diff):
    return client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "system", "content": GUIDELINES}, {"role": "user", "content": diff}],
    )


def main():
    for path, diff in FILES.items():
        try:
            try:
                answer = review(diff)
            except openai.RateLimitError as error:
                time.sleep(float(error.response.headers.get("Retry-After", 1)))
                answer = review(diff)
            print(f"ReviewerGPT on {path}: {answer.choices[0].message.content[:60]}…")
        except openai.APIError as error:
            print(f"ReviewerGPT on {path}: no review, {type(error).__name__}")


if __name__ == "__main__":
    main()
