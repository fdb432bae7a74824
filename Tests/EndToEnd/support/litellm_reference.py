"""What litellm charges for calls: a program of its own, run in the environment that has litellm.

Reads JSON lines `{"provider", "model", "input", "output", "read", "write", "reasoning"}` from stdin. Prints first
`{"version", "table"}`, then for each line `{"cost"}`, or `{"error"}` where litellm refuses.
"""

import datetime
import importlib.metadata
import json
import os
import socket
import sys
from pathlib import Path

# Before litellm is imported: else it fetches today's table.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


def refuse(*_, **__):
    raise OSError("the reference needs no network")


socket.socket.connect = socket.create_connection = refuse  # type: ignore[method-assign]  # no connection at all

# litellm also prints to stdout, which is for the answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

# Only now, as litellm uses the network and prints when it is imported.
import litellm  # noqa: E402
from litellm._internal_context import pinned_billing_time  # noqa: E402
from litellm.types.utils import CompletionTokensDetailsWrapper, PromptTokensDetailsWrapper, Usage  # noqa: E402

#: litellm halves a few prices by the clock (`off_peak_pricing`). Records are charged the standard price, so the clock
#: is held at an hour when that is in force: a Wednesday, 02:00 UTC.
STANDARD_HOUR = datetime.datetime(2026, 1, 7, 2, tzinfo=datetime.UTC)


def cost(call):
    usage = Usage(
        prompt_tokens=call["input"], completion_tokens=call["output"], total_tokens=call["input"] + call["output"],
        prompt_tokens_details=PromptTokensDetailsWrapper(
            cached_tokens=call["read"], cache_creation_tokens=call["write"]),
        cache_read_input_tokens=call["read"], cache_creation_input_tokens=call["write"],
        completion_tokens_details=CompletionTokensDetailsWrapper(reasoning_tokens=call["reasoning"]))
    return sum(litellm.cost_per_token(
        model=call["model"], custom_llm_provider=call["provider"], usage_object=usage))


def main():
    litellm.suppress_debug_info = True
    table = Path(litellm.__file__).with_name("model_prices_and_context_window_backup.json")
    print(json.dumps({"version": importlib.metadata.version("litellm"), "table": str(table)}), file=answers)
    with pinned_billing_time(STANDARD_HOUR):
        for line in sys.stdin:
            try:
                answer = {"cost": cost(json.loads(line))}
            except Exception as error:  # litellm raises plain ones.
                answer = {"error": str(error)[:200]}
            print(json.dumps(answer), file=answers)


main()
