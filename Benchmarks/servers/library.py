"""A FastAPI service that counts calls with prometheus_client, ten families of each: what the exporter replaces."""

from fastapi import FastAPI, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel

# Otherwise each counter and histogram has one more sample, which the exporter's text format does not have.
disable_created_metrics()
registry = CollectorRegistry()
SET = ["agent_name", "provider", "model"]
BUCKETS = (0.1, 0.5, 1, 2.5, 5, 10)
calls = Counter("llm_calls_total", "Calls", [*SET, "status"], registry=registry)
tokens = Counter("llm_tokens_total", "Tokens", SET, registry=registry)
cost = Counter("llm_cost_usd_total", "Cost", SET, registry=registry)
rss = Gauge("llm_memory_rss_mb", "RSS", ["agent_name"], registry=registry)
available = Gauge("llm_memory_available_mb", "Available", registry=registry)
active = Gauge("llm_active_calls", "Active", ["agent_name"], registry=registry)
latency = Histogram("llm_latency_seconds", "Latency", SET, buckets=BUCKETS, registry=registry)
api_latency = Histogram(
    "llm_api_latency_seconds", "API", ["agent_name", "provider"], buckets=BUCKETS, registry=registry)
last_input = Gauge("llm_input_tokens_last_call", "Input", SET, registry=registry)
last_output = Gauge("llm_output_tokens_last_call", "Output", SET, registry=registry)

app = FastAPI()


class Call(BaseModel):
    agent_name: str
    provider: str
    model: str
    status: str = "success"
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0
    latency_ms: float = 0
    api_latency_ms: float = 0
    memory_rss_mb: float = 0
    memory_available_mb: float = 0


@app.post("/record")
async def record(call: Call) -> dict[str, int]:
    of_set = (call.agent_name, call.provider, call.model)
    calls.labels(*of_set, call.status).inc()
    tokens.labels(*of_set).inc(call.input_tokens + call.output_tokens)
    cost.labels(*of_set).inc(call.cost_usd)
    rss.labels(call.agent_name).set(call.memory_rss_mb)
    available.set(call.memory_available_mb)
    active.labels(call.agent_name).set(0)
    latency.labels(*of_set).observe(call.latency_ms / 1000)
    api_latency.labels(call.agent_name, call.provider).observe(call.api_latency_ms / 1000)
    last_input.labels(*of_set).set(call.input_tokens)
    last_output.labels(*of_set).set(call.output_tokens)
    return {"accepted": 1}


@app.put("/series")
async def series(request: Request) -> dict[str, int]:
    """Shows, in place of its own, the series of an exposition, so that scrapes of the same can be compared."""
    global registry
    registry = CollectorRegistry()
    kinds = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
    count = 0
    for family in text_string_to_metric_families((await request.body()).decode()):
        if not family.samples:
            continue
        labels = [name for name in family.samples[0].labels if name != "le"]
        bounds = {"buckets": BUCKETS} if family.type == "histogram" else {}
        shown = kinds[family.type](family.name, family.name, labels, registry=registry, **bounds)
        for sample in family.samples:
            one = shown.labels(*(sample.labels[name] for name in labels)) if labels else shown
            if family.type == "histogram":
                if sample.name.endswith("_count"):
                    one.observe(sample.value)
            elif family.type == "gauge":
                one.set(sample.value)
            else:
                one.inc(sample.value)
            count += 1
    return {"samples": count}


@app.get("/metrics")
async def metrics() -> Response:
    return Response(generate_latest(registry), media_type="text/plain; version=0.0.4")
