"""An agent that OpenTelemetry instruments: no line is about llm-exporter but the address that spans go to.

Its OTLP exporter posts them to `/v1/traces`, where spans that report an LLM call are counted. The agent's name is
that of its service.
"""

import os

import openai
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

EXPORTER = os.environ.get("LLM_EXPORTER_URL", "http://127.0.0.1:10140")
QUESTION = [{"role": "user", "content": "Which ships are late?"}]


def main():
    provider = TracerProvider(resource=Resource.create({"service.name": "OpenTelemetryExample"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{EXPORTER}/v1/traces")))
    OpenAIInstrumentor().instrument(tracer_provider=provider)

    client = openai.OpenAI(max_retries=0)
    # A step of the agent is a span, too. It is not counted: its tokens are those of the calls within.
    with trace.get_tracer("example", tracer_provider=provider).start_as_current_span("harbour watch"):
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
        print("whole:", answer.choices[0].message.content)
        stream = client.chat.completions.create(
            model="gpt-4o-mini", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        print("stream:", "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices))
    provider.shutdown()  # sends what waits


if __name__ == "__main__":
    main()
