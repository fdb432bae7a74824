"""The status of the exceptions that providers' packages raise today."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from llm_exporter.failure import classify

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # its own price table, rather than a download

pytestmark = pytest.mark.clients


def response(status: int) -> Any:
    httpx = pytest.importorskip("httpx")
    return httpx.Response(status, request=httpx.Request("POST", "http://127.0.0.1"))


def of_status(package: str, name: str, status: int) -> BaseException:
    """OpenAI's packages and Anthropic's: an exception of an answer with that status."""
    error: BaseException = getattr(pytest.importorskip(package), name)("m", response=response(status), body=None)
    return error


def without_answer(package: str) -> BaseException:
    error: BaseException = pytest.importorskip(package).APITimeoutError(request=response(200).request)
    return error


def in_a_stream() -> BaseException:
    request, body = response(200).request, {"message": "m", "code": "rate_limit_exceeded"}
    error: BaseException = pytest.importorskip("openai").APIError("m", request, body=body)
    return error


def google(name: str, code: int, status: str) -> BaseException:
    errors = pytest.importorskip("google.genai.errors")
    error: BaseException = getattr(errors, name)(code, {"error": {"code": code, "status": status, "message": "m"}})
    return error


def litellm(name: str, **options: Any) -> BaseException:
    exceptions = pytest.importorskip("litellm").exceptions
    error: BaseException = getattr(exceptions, name)("m", model="m", llm_provider="openai", **options)
    return error


def mid_stream() -> BaseException:
    return litellm("MidStreamFallbackError", original_exception=litellm("RateLimitError"))


def httpx(name: str) -> BaseException:
    error: BaseException = getattr(pytest.importorskip("httpx"), name)("m")
    return error


def httpx_status(status: int) -> BaseException:
    answer = response(status)
    error: BaseException = pytest.importorskip("httpx").HTTPStatusError("m", request=answer.request, response=answer)
    return error


def botocore(name: str, code: str, status: int) -> BaseException:
    exceptions = pytest.importorskip("botocore.exceptions")
    said = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    error: BaseException = getattr(exceptions, name)(said, "Converse")
    return error


def botocore_read() -> BaseException:
    error: BaseException = pytest.importorskip("botocore.exceptions").ReadTimeoutError(endpoint_url="http://x")
    return error


def aiohttp(name: str) -> BaseException:
    error: BaseException = getattr(pytest.importorskip("aiohttp"), name)()
    return error


def aiohttp_status(status: int) -> BaseException:
    error: BaseException = pytest.importorskip("aiohttp").ClientResponseError(None, (), status=status)
    return error


def cohere(name: str) -> BaseException:
    error: BaseException = getattr(pytest.importorskip("cohere.errors"), name)(body={})
    return error


FAILURES: dict[str, tuple[Callable[[], BaseException], str]] = {
    "openai 429": (lambda: of_status("openai", "RateLimitError", 429), "rate_limited"),
    "openai in a stream": (in_a_stream, "rate_limited"),
    "openai 408": (lambda: of_status("openai", "APIStatusError", 408), "timeout"),
    "openai 500": (lambda: of_status("openai", "InternalServerError", 500), "error"),
    "openai 504": (lambda: of_status("openai", "InternalServerError", 504), "timeout"),
    "openai time-out": (lambda: without_answer("openai"), "timeout"),
    "anthropic 429": (lambda: of_status("anthropic", "RateLimitError", 429), "rate_limited"),
    "anthropic 504": (lambda: of_status("anthropic", "InternalServerError", 504), "timeout"),
    "anthropic 529": (lambda: of_status("anthropic", "OverloadedError", 529), "error"),
    "anthropic time-out": (lambda: without_answer("anthropic"), "timeout"),
    "google 429": (lambda: google("ClientError", 429, "RESOURCE_EXHAUSTED"), "rate_limited"),
    "google 400": (lambda: google("ClientError", 400, "INVALID_ARGUMENT"), "error"),
    "google 499": (lambda: google("ClientError", 499, "CANCELLED"), "cancelled"),
    "google 503": (lambda: google("ServerError", 503, "UNAVAILABLE"), "error"),
    "google 504": (lambda: google("ServerError", 504, "DEADLINE_EXCEEDED"), "timeout"),
    "litellm 429": (lambda: litellm("RateLimitError"), "rate_limited"),
    "litellm mid-stream": (mid_stream, "rate_limited"),
    "litellm time-out": (lambda: litellm("Timeout"), "timeout"),
    "litellm 500": (lambda: litellm("InternalServerError"), "error"),
    "litellm context": (lambda: litellm("ContextWindowExceededError"), "error"),
    "httpx 429": (lambda: httpx_status(429), "rate_limited"),
    "httpx 504": (lambda: httpx_status(504), "timeout"),
    "httpx read": (lambda: httpx("ReadTimeout"), "timeout"),
    "httpx connect": (lambda: httpx("ConnectError"), "error"),
    "botocore throttling": (lambda: botocore("ClientError", "ThrottlingException", 400), "rate_limited"),
    "botocore not ready": (lambda: botocore("ClientError", "ModelNotReadyException", 429), "rate_limited"),
    "botocore in a stream": (lambda: botocore("EventStreamError", "throttlingException", 200), "rate_limited"),
    "botocore time-out": (lambda: botocore("ClientError", "ModelTimeoutException", 408), "timeout"),
    "botocore read": (botocore_read, "timeout"),
    "botocore 400": (lambda: botocore("ClientError", "ValidationException", 400), "error"),
    "aiohttp 429": (lambda: aiohttp_status(429), "rate_limited"),
    "aiohttp 504": (lambda: aiohttp_status(504), "timeout"),
    "aiohttp time-out": (lambda: aiohttp("ServerTimeoutError"), "timeout"),
    "aiohttp disconnected": (lambda: aiohttp("ServerDisconnectedError"), "error"),
    "cohere 429": (lambda: cohere("TooManyRequestsError"), "rate_limited"),
    "cohere 499": (lambda: cohere("ClientClosedRequestError"), "cancelled"),
    "cohere 504": (lambda: cohere("GatewayTimeoutError"), "timeout"),
    "cohere 503": (lambda: cohere("ServiceUnavailableError"), "error"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name: str) -> None:
    make, status = FAILURES[name]
    error = make()
    assert classify(error) == (status, type(error).__name__)
