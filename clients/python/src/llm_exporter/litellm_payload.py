"""Reads the standard logging payload of LiteLLM (docs.litellm.ai/docs/proxy/logging_spec) as a record.

The exporter reads the same payload itself, as LiteLLM's generic API logger posts it. Both decide alike, and give a call
the same id.
"""

from __future__ import annotations

import re
from typing import Any, Optional

from .failure import classify, classify_named
from .metrics import LLMCallMetrics

__all__ = ["agent_name", "metrics", "model_name"]

_MAX_TOKENS = 10**12
_TIERS = frozenset({"batch", "flex", "priority", "fast", "default", "standard", "on_demand"})
_PRICED_TIERS = frozenset({"batch", "flex", "priority", "fast"})
_CONTEXT_SIZES = frozenset({"low", "medium", "high"})
_NAME = re.compile(r"(?=.*\S)(?! *_)[^\x00-\x1f\x7f-\x9f]{1,256}\Z")

# Call types that are no call of a model: tools, files, batches, stores and other management. The call type of an
# asynchronous function has an "a" before these names. The exporter has the same list (LiteLLMNonCall.swift). A type
# that is not here counts as a call: what a later LiteLLM adds must not be lost.
_NO_CALL = re.compile(
    r"""a?(?:
        call_mcp_tool | list_mcp_tools | search | run_code | code_interpreter_tool | create_sandbox |
        delete_sandbox | apply_guardrail | send_message | send_message_streaming | create_agent | list_agents |
        get_agent | delete_agent | list_agent_versions | create_file | file_retrieve | file_delete | file_list |
        file_content | file_content_streaming | create_batch | retrieve_batch | cancel_batch | list_batches |
        create_fine_tuning_job | cancel_fine_tuning_job | list_fine_tuning_jobs | retrieve_fine_tuning_job |
        get_assistants | create_assistants | delete_assistant | create_thread | get_thread | add_message |
        a_add_message | get_messages | vector_store_create | vector_store_retrieve | vector_store_list |
        vector_store_update | vector_store_delete | vector_store_search | vector_store_file_create |
        vector_store_file_retrieve | vector_store_file_list | vector_store_file_content |
        vector_store_file_update | vector_store_file_delete | ingest | query | create_container |
        list_containers | retrieve_container | delete_container | list_container_files | upload_container_file |
        retrieve_container_file | retrieve_container_file_content | delete_container_file | video_retrieve |
        video_retrieve_job | video_status | video_content | video_list | video_delete | video_create_character |
        video_get_character | get_responses | delete_responses | cancel_responses | list_input_items |
        get_interaction | delete_interaction | cancel_interaction | get | list | update | delete | cancel |
        retrieve | retrieve_content | list_versions | create_skill | list_skills | get_skill | delete_skill |
        create_eval | list_evals | get_eval | update_eval | delete_eval | cancel_eval | create_run | list_runs |
        get_run | cancel_run | delete_run | create_realtime_client_secret |
        create_realtime_transcription_session | create_realtime_translation_client_secret | health_check
    )\Z""",
    re.VERBOSE,
)


def metrics(
    kwargs: Any, start_time: Any, end_time: Any, failed: bool, default_agent: Optional[str], is_estimate: bool = False
) -> Optional[LLMCallMetrics]:
    """The record of what LiteLLM logs; None if it is no call of a model.

    - `kwargs`: what LiteLLM passes to loggers; the payload is in it.
    - `is_estimate`: whether the usage of a stream is said to be LiteLLM's own estimate. Then it is left out, and so is
      the cost, unless the usage has details, which no estimate has.
    """
    said = _mapping(kwargs.get("standard_logging_object"))
    if _is_no_call(said.get("call_type") or kwargs.get("call_type")):
        return None
    began, ended = _seconds(said.get("startTime"), start_time), _seconds(said.get("endTime"), end_time)
    tokens = _tokens(said)
    is_stream = said.get("stream") is True
    # A stream whose end reported no usage, or a call without an answer: its zeros mean that nothing is known.
    lacks_usage = (failed or is_stream) and not (tokens.get("input_tokens") or tokens.get("output_tokens"))
    is_estimate = is_estimate and not _at(said, "metadata", "usage_object", "prompt_tokens_details")
    record = LLMCallMetrics(
        agent_name=agent_name(kwargs) or default_agent or "unknown",
        provider=said.get("custom_llm_provider") or kwargs.get("custom_llm_provider") or "unknown",
        model=said.get("model") or model_name(kwargs),
        cost_usd=None if is_estimate else _cost(said, failed, lacks_usage),
        latency_ms=_milliseconds(began, ended),
        timestamp=ended,
        id=_id(said.get("litellm_call_id") or kwargs.get("litellm_call_id"), began),
        service_tier=_service_tier(said),
        web_search_requests=_web_searches(said) or None,
        search_context_size=_search_context_size(said),
        response_model=_response_model(said),
        # The client's own subscription paid, not the proxy's key.
        billing="plan" if _at(said, "metadata", "used_client_oauth_token") is True else None,
    )
    if failed:
        record.status, record.error_type = _failure(kwargs, said)
    if is_stream:
        record.ttft_ms = _time_to_first_token(began, ended, said.get("completionStartTime"))
    if not (lacks_usage or is_estimate):
        for name, count in tokens.items():
            setattr(record, name, count)
    return record


def agent_name(kwargs: Any) -> Optional[str]:
    """The first name that an agent may have, from the request's own to the key's."""
    said = _mapping(kwargs.get("standard_logging_object"))
    logged = _mapping(said.get("metadata"))
    parameters = _mapping(kwargs.get("litellm_params"))
    own = _mapping(parameters.get("metadata"))
    holders = [own, _mapping(parameters.get("litellm_metadata"))]
    for place in ("requester_metadata", "spend_logs_metadata"):
        holders += [_mapping(logged.get(place)), _mapping(own.get(place))]
    for holder in holders:
        if name := _name(holder.get("agent_name")):
            return name
    for tags in (said.get("request_tags"), own.get("tags")):
        for tag in tags if isinstance(tags, (list, tuple)) else ():
            if isinstance(tag, str) and tag.startswith("agent:") and (name := _name(tag[len("agent:") :])):
                return name
    return _name(logged.get("user_api_key_alias")) or _name(own.get("user_api_key_alias"))


def model_name(kwargs: Any) -> str:
    """The model of a call that has no payload yet, as the payload will have it."""
    deployment = _at(kwargs, "litellm_params", "metadata", "deployment")  # of a Router
    if isinstance(deployment, str) and "/" in deployment:
        return deployment
    model = kwargs.get("model")
    if not isinstance(model, str) or not model:
        return "unknown"
    return f"bedrock/{model}" if kwargs.get("custom_llm_provider") == "bedrock" and "/" not in model else model


def _is_no_call(call_type: Any) -> bool:
    name = getattr(call_type, "value", call_type)
    return isinstance(name, str) and _NO_CALL.match(name) is not None


def _failure(kwargs: Any, said: Any) -> tuple[str, Optional[str]]:
    reported = _mapping(said.get("error_information"))
    name, code = reported.get("error_class"), reported.get("error_code")
    exception = kwargs.get("exception")
    if isinstance(exception, BaseException):
        status, error_type = classify(exception)
    else:
        status, error_type = classify_named(name, code)
    return status, str(name) if name else error_type


def _id(call_id: Any, began: Optional[float]) -> Optional[str]:
    """All attempts of one call share its id: the time at which an attempt began makes its id unique."""
    if not call_id:
        return None
    return str(call_id) if began is None else f"{call_id}/{began!r}"


def _tokens(said: Any) -> dict[str, Optional[int]]:
    usage = _mapping(_at(said, "metadata", "usage_object"))
    prompt = _mapping(usage.get("prompt_tokens_details"))
    completion = _mapping(usage.get("completion_tokens_details"))
    cached = _mapping(prompt.get("cached_tokens_details"))
    written = _mapping(prompt.get("cache_creation_token_details"))
    # The usage as LiteLLM writes it, as the providers' APIs do, and as their raw answers do.
    inputs, outputs = _mapping(usage.get("input_tokens_details")), _mapping(usage.get("output_tokens_details"))

    input_tokens, output_tokens = said.get("prompt_tokens"), said.get("completion_tokens")
    cache_read = _first_above_zero(
        prompt.get("cached_tokens"), inputs.get("cached_tokens"), usage.get("cache_read_input_tokens")
    )
    cache_write = _first_above_zero(
        prompt.get("cache_write_tokens"),
        prompt.get("cache_creation_tokens"),
        inputs.get("cache_write_tokens"),
        prompt.get("cache_creation_input_tokens"),
        usage.get("cache_creation_input_tokens"),
    )
    reasoning = _first_above_zero(completion.get("reasoning_tokens"), outputs.get("reasoning_tokens"))
    write_1h = max(
        _count(written.get("ephemeral_1h_input_tokens")) + _count(written.get("ephemeral_12h_input_tokens")),
        _count(_at(usage, "cache_creation", "ephemeral_1h_input_tokens")),
    )
    if write_1h and not _count(cache_write):
        cache_write = write_1h
    # No more is left for audio and images than no cache gave or took.
    uncached = _count(input_tokens) - _count(cache_read) - _count(cache_write)
    plain = _count(output_tokens) - _count(reasoning)
    input_audio = _within(_count(prompt.get("audio_tokens")) - _count(cached.get("audio_tokens")), uncached)
    output_audio = _within(_count(completion.get("audio_tokens")), plain)
    input_image = _count(prompt.get("image_tokens")) - _count(cached.get("image_tokens"))
    return {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "cache_read_tokens": cache_read,
        "cache_write_tokens": cache_write,
        "reasoning_tokens": reasoning,
        "cache_write_1h_tokens": _within(write_1h, _count(cache_write)) or None,
        "input_audio_tokens": input_audio or None,
        "output_audio_tokens": output_audio or None,
        "input_image_tokens": _within(input_image, uncached - input_audio) or None,
        "output_image_tokens": _within(_count(completion.get("image_tokens")), plain - output_audio) or None,
    }


def _cost(said: Any, failed: bool, lacks_usage: bool) -> Any:
    cost = said.get("response_cost")
    if cost:
        return cost
    # A cost of 0 without usage means unknown. LiteLLM also writes 0 for a cost that it could not compute, and then says
    # why. A failed call that used nothing is free.
    unknown = said.get("response_cost_failure_debug_info") or said.get("zero_cost_diagnostic")
    return None if unknown or (lacks_usage and not failed) else cost


def _service_tier(said: Any) -> Optional[str]:
    """The tier that served the call, else the one that was asked for. `auto` leaves the choice to the provider."""
    places = (
        _at(said, "response", "service_tier"),
        _at(said, "metadata", "usage_object", "service_tier"),
        _at(said, "cost_breakdown", "service_tier"),
        _at(said, "model_parameters", "service_tier"),
    )
    names = (name.lower() for name in places if isinstance(name, str))
    tier = next((name for name in names if name in _TIERS), None)
    # Anthropic reports its fast mode beside the tier.
    is_fast = _at(said, "metadata", "usage_object", "speed") == "fast"
    return "fast" if is_fast and tier not in _PRICED_TIERS else tier


def _web_searches(said: Any) -> int:
    usage = _at(said, "metadata", "usage_object")
    return max(
        _count(_at(usage, "server_tool_use", "web_search_requests")),
        _count(_at(usage, "prompt_tokens_details", "web_search_requests")),
        _count(_at(usage, "num_search_queries")),
    )


def _search_context_size(said: Any) -> Optional[str]:
    places = (
        _at(said, "metadata", "usage_object", "search_context_size"),
        _at(said, "standard_built_in_tools_params", "web_search_options", "search_context_size"),
        _at(said, "model_parameters", "web_search_options", "search_context_size"),
    )
    return next((size for size in places if isinstance(size, str) and size in _CONTEXT_SIZES), None)


def _response_model(said: Any) -> Optional[str]:
    # The response of most streams names the model that was asked for.
    return _name(_at(said, "model_map_information", "model_map_key")) or _name(_at(said, "response", "model"))


def _time_to_first_token(began: Optional[float], ended: Optional[float], first: Any) -> Optional[float]:
    to_first = _milliseconds(began, _seconds(first, None))
    whole = _milliseconds(began, ended)
    return to_first if to_first is not None and whole is not None and to_first <= whole else None


def _milliseconds(began: Optional[float], ended: Optional[float]) -> Optional[float]:
    """None if the clock was set back meanwhile."""
    if began is None or ended is None or ended < began:
        return None
    return round((ended - began) * 1000.0, 3)


def _seconds(said: Any, given: Any) -> Optional[float]:
    """Unix seconds: as the payload has them, else from what LiteLLM passes."""
    if isinstance(said, (int, float)) and not isinstance(said, bool):
        return said
    try:
        return float(given.timestamp())
    except Exception:
        return None


def _name(value: Any) -> Optional[str]:
    return value if isinstance(value, str) and _NAME.match(value) else None


def _within(count: int, most: int) -> int:
    return max(0, min(count, most))


def _first_above_zero(*values: Any) -> Any:
    """The first count above 0, else the last. A call reports a count under several names, some of them with 0."""
    known = [value for value in values if value is not None]
    return next((value for value in known if _count(value) > 0), known[-1] if known else None)


def _count(value: Any) -> int:
    """A number of tokens that a record may have; 0 for anything else."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_TOKENS else 0


def _at(holder: Any, *path: str) -> Any:
    for name in path:
        holder = _mapping(holder).get(name)
    return holder


def _mapping(value: Any) -> Any:
    return value if isinstance(value, dict) else {}
