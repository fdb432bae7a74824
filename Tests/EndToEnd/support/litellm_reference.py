"""What litellm charges for calls: a program of its own, run in the environment that has litellm.

Reads JSON lines from stdin: `{"provider", "model", "input", "output"}`, and those of the following that are not 0 or
absent: `read`, `write`, `write_1h`, `input_audio`, `input_image`, `reasoning`, `output_audio`, `output_image` (tokens),
`searches` (a count), `size` (of their context), `tier`, and `time` (RFC 3339: when it is billed). Prints first
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
from litellm.litellm_core_utils.llm_cost_calc.tool_call_cost_tracking import (  # noqa: E402
    StandardBuiltInToolCostTracking,
)
from litellm.types.utils import (  # noqa: E402
    CacheCreationTokenDetails,
    CompletionTokensDetailsWrapper,
    PromptTokensDetailsWrapper,
    ServerToolUse,
    Usage,
)


def kept_longest(entry):
    """The field of the longest time for which the entry has a price to write to a cache: 12 hours, or one."""
    name = "cache_creation_input_token_cost_above_1"
    return "ephemeral_12h_input_tokens" if f"{name}2hr" in entry and f"{name}hr" not in entry else (
        "ephemeral_1h_input_tokens")


def usage(call):
    read, write, hour, searches = (call.get(name, 0) for name in ("read", "write", "write_1h", "searches"))
    into = PromptTokensDetailsWrapper(
        cached_tokens=read, cache_creation_tokens=write, audio_tokens=call.get("input_audio", 0),
        image_tokens=call.get("input_image", 0))
    if hour:
        field = kept_longest(litellm.model_cost[call["model"]])
        into.cache_creation_token_details = CacheCreationTokenDetails(
            ephemeral_5m_input_tokens=write - hour, **{field: hour})
    out = CompletionTokensDetailsWrapper(
        reasoning_tokens=call.get("reasoning", 0), audio_tokens=call.get("output_audio", 0),
        image_tokens=call.get("output_image", 0))
    told = {}
    if searches:
        # Each provider's calculator looks at another one of these.
        into.web_search_requests = searches
        told = {"server_tool_use": ServerToolUse(web_search_requests=searches),
                "server_side_tool_usage_details": {"web_search_calls": searches}}
    return Usage(
        prompt_tokens=call["input"], completion_tokens=call["output"], total_tokens=call["input"] + call["output"],
        prompt_tokens_details=into, completion_tokens_details=out, **told)


def cost(call):
    named = {"model": call["model"], "custom_llm_provider": call["provider"]}
    billed, tier = usage(call), call.get("tier")
    kind = {"call_type": "aretrieve_batch"} if tier == "batch" else {"service_tier": tier}
    total = sum(litellm.cost_per_token(usage_object=billed, **named, **kind))
    if call.get("searches"):
        total += StandardBuiltInToolCostTracking.get_cost_for_built_in_tools(
            response_object=None, usage=billed, **named, standard_built_in_tools_params={
                "web_search_options": {"search_context_size": call.get("size")}})
    return total


def main():
    litellm.suppress_debug_info = True
    table = Path(litellm.__file__).with_name("model_prices_and_context_window_backup.json")
    print(json.dumps({"version": importlib.metadata.version("litellm"), "table": str(table)}), file=answers)
    now = datetime.datetime.now(datetime.UTC)
    for line in sys.stdin:
        call = json.loads(line)
        moment = datetime.datetime.fromisoformat(call["time"]) if "time" in call else now
        with pinned_billing_time(moment):
            try:
                answer = {"cost": cost(call)}
            except Exception as error:  # litellm raises plain ones.
                answer = {"error": str(error)[:200]}
        print(json.dumps(answer), file=answers)


with answers:
    main()
