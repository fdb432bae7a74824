"""The facts that an answer reports beside its tokens: model, service tier, failure, searches."""

from __future__ import annotations

from typing import Any, Optional

from .fields import count, field, first_field, items, lacks_all, text

__all__ = ["context_size", "failure", "model_name", "searches", "service_tier"]

_MODEL_NAMES = ("model", "model_version", "modelVersion", "model_name")
_OF_TIERS = frozenset({"service_tier", "serviceTier", "traffic_type", "trafficType", "speed"})
_OF_SEARCHES = frozenset({"tool_usage", "response_metadata", "output", "content", "candidates"})
_TRAFFIC = {
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "FLEX": "flex",
    "BATCH": "batch",
    "ON_DEMAND": "standard",
}


def model_name(answer: Any) -> Optional[str]:
    """The model that answered, as the answer names it."""
    found = text(answer, *_MODEL_NAMES)
    if found is None:
        metadata = first_field(answer, "response_metadata", "llm_output")  # LangChain
        found = text(metadata, "model_name", "model", "model_id", "model_version") if metadata is not None else None
    if found is None and (response := field(answer, "response")) is not None:
        found = text(response, "model_name")  # Pydantic AI's runs
    return found


def service_tier(answer: Any, usage: Any) -> Optional[str]:
    """The tier that served the answer; in lower case."""
    metadata = field(answer, "response_metadata")  # LangChain's
    for holder in (answer, usage, metadata, field(metadata, "usage")):
        tier = _tier(holder) if holder is not None else None
        if tier is not None:
            return tier
    of_input = field(usage, "input_token_details")  # LangChain's
    return next((tier for tier in ("flex", "priority") if count(of_input, tier) is not None), None)


def _tier(holder: Any) -> Optional[str]:
    if lacks_all(holder, _OF_TIERS):
        return None
    tier = text(holder, "service_tier", "serviceTier")
    if tier is None and (served := first_field(holder, "service_tier", "serviceTier")) is not None:
        tier = text(served, "type")  # Bedrock's
    if tier is None and (traffic := text(holder, "traffic_type", "trafficType")) is not None:
        tier = _TRAFFIC.get(traffic.upper())  # Gemini's
    if tier in (None, "auto", "default", "standard") and text(holder, "speed") == "fast":
        return "fast"  # Anthropic's fast mode, which it reports beside the tier
    return None if tier is None or tier.lower() == "auto" else tier.lower()


def failure(answer: Any) -> Optional[str]:
    """The code of a failure that came as an answer."""
    if text(answer, "object") == "response" and text(answer, "status") == "failed":
        return text(field(answer, "error"), "code") or "failed"
    return None


def context_size(answer: Any, usage: Any) -> Optional[str]:
    """How much of the web each search reads: from Perplexity's usage, or the tools that OpenAI's responses repeat."""
    found = text(usage, "search_context_size")
    for tool in items(answer, "tools") if found is None else ():
        if (text(tool, "type") or "").startswith("web_search"):
            found = found or text(tool, "search_context_size")
    return found


def searches(answer: Any) -> Optional[int]:
    """Searches of the web that an answer reports outside its usage."""
    if lacks_all(answer, _OF_SEARCHES):
        return None
    found = count(field(field(answer, "tool_usage"), "web_search"), "num_requests")  # OpenAI's responses
    if found is None and (metadata := field(answer, "response_metadata")) is not None:  # LangChain's
        found = count(field(field(metadata, "usage"), "server_tool_use"), "web_search_requests")
    if found is None:
        outputs = (*items(answer, "output"), *items(answer, "content"))
        found = sum(map(_is_search, outputs)) or None
    return _gemini_searches(answer) if found is None else found


def _is_search(item: Any) -> bool:
    """OpenAI charges for searches, not for opening a page that was found, or looking for a word in it."""
    if text(item, "type") != "web_search_call":
        return False
    return text(field(item, "action"), "type") in (None, "search")


def _gemini_searches(answer: Any) -> Optional[int]:
    """Distinct queries of Google's search that the answers are grounded in."""
    queries = set()
    for candidate in items(answer, "candidates"):
        grounding = first_field(candidate, "grounding_metadata", "groundingMetadata")
        for query in items(grounding, "web_search_queries", "webSearchQueries"):
            if type(query) is str and query:
                queries.add(query)
    return len(queries) or None
