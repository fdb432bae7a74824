"""A FastAPI service whose endpoint is the call: the decorator stands on it, below FastAPI's own.

    uvicorn fastapi_service:app --app-dir examples --port 8000
    curl http://127.0.0.1:8000/review -H 'Content-Type: application/json' -d '{"diff": "+ total = 0"}'
    curl http://127.0.0.1:8000/metrics

`/metrics` shows the exporter's totals, of all its agents, for a Prometheus that reaches this service only.
"""

import openai
from fastapi import FastAPI, HTTPException
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from llm_exporter import LLMMonitor

app = FastAPI()
monitor = LLMMonitor()
client = openai.AsyncOpenAI(max_retries=0)


class Change(BaseModel):
    diff: str


@app.post("/review", response_model=None)
@monitor.monitor_llm_call("ReviewService", "openai", "gpt-4o-mini")
async def review(change: Change):
    # The decorator reads the usage from the result; an exception is recorded as a failed call.
    return await client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": f"Review this change:\n{change.diff}"}]
    )


@app.exception_handler(openai.APIStatusError)
async def refused(_, error):
    return PlainTextResponse(f"The model does not answer: {type(error).__name__}", status_code=502)


# Not `async`: it waits for the exporter, and FastAPI runs it in a thread.
@app.get("/metrics")
def metrics():
    monitor.flush()
    scrape = monitor.get_prometheus_metrics()
    if not scrape:
        raise HTTPException(503, "the exporter does not answer")
    return PlainTextResponse(scrape, media_type="text/plain; version=0.0.4")
