"""Prints the costs of calls by genai-prices. A program of its own, run in the environment that has it.

Prints first `{"version", "models": {PROVIDER: {MODEL: {"names", "tiers"}}}}`: the names that are exactly the model's,
and the service tiers that have prices of their own. Reads JSON lines from stdin, with the members that
litellm_reference.py describes, less the tokens of images, and with the provider as it is called there. Prints for each
line `{"cost", "id", "rates"}`, the model that was found and its prices in words, or `{"error"}`.
"""

import datetime
import importlib.metadata
import json
import sys

from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ClauseEquals, ClauseOr

#: Its names of what a call used.
USED = {
    "input": "input_tokens", "read": "cache_read_tokens", "write": "cache_write_tokens",
    "write_1h": "cache_write_1h_tokens", "input_audio": "input_audio_tokens", "output": "output_tokens",
    "reasoning": "output_reasoning_tokens", "output_audio": "output_audio_tokens", "searches": "web_searches"}

#: Its names for the service tiers.
CONTEXTS = {"flex": {"service_tier": "flex"}, "priority": {"service_tier": "priority"},
            "batch": {"processing": "batch"}}


def names(model):
    """The names that are matched as a whole, the model's own first."""
    found, clauses = [model.id], [model.match]
    for clause in clauses:
        if isinstance(clause, ClauseOr):
            clauses += clause.or_
        elif isinstance(clause, ClauseEquals):
            found.append(clause.equals)
    return [name for name in dict.fromkeys(found) if model.is_match(name)]


def described(model):
    contexts = [variant.when for variant in model.price_variants or ()]
    return {"names": names(model), "tiers": [tier for tier, context in CONTEXTS.items() if context in contexts]}


def answer(call, now):
    moment = datetime.datetime.fromisoformat(call["time"]) if "time" in call else now
    used = Usage(**{ours: call[name] for name, ours in USED.items() if name in call})
    try:
        price = calc_price(used, call["model"], provider_id=call["provider"], genai_request_timestamp=moment,
                           price_context=CONTEXTS.get(call.get("tier")))
    except (LookupError, ValueError) as error:
        return {"error": str(error)[:200]}
    return {"cost": str(price.total_price), "id": price.model.id, "rates": str(price.model_price)}


def main():
    print(json.dumps({
        "version": importlib.metadata.version("genai-prices"),
        "models": {provider.id: {model.id: described(model) for model in provider.models}
                   for provider in get_snapshot().providers}}))
    now = datetime.datetime.now(datetime.UTC)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line), now)))


main()
