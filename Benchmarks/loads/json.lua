-- Single posts of the same record.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"agent_name":"ReviewerGPT","provider":"openai","model":"gpt-4o-mini","input_tokens":100,"output_tokens":436,"cost_usd":0.0002766,"latency_ms":150,"api_latency_ms":120,"memory_rss_mb":256.5,"memory_available_mb":2048}'
