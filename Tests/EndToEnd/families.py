"""The families of docs/metrics.md, in its order."""

#: The ten of the original report: name and type.
REPORTED = {
    "llm_calls_total": "counter",
    "llm_tokens_total": "counter",
    "llm_cost_usd_total": "counter",
    "llm_memory_rss_mb": "gauge",
    "llm_memory_available_mb": "gauge",
    "llm_active_calls": "gauge",
    "llm_latency_seconds": "histogram",
    "llm_api_latency_seconds": "histogram",
    "llm_input_tokens_last_call": "gauge",
    "llm_output_tokens_last_call": "gauge",
}

#: Those beside them.
ADDITIONAL = {
    "llm_token_usage_total": "counter",
    "llm_calls_unpriced_total": "counter",
    "llm_calls_usage_missing_total": "counter",
    "llm_errors_total": "counter",
    "llm_active_calls_expired_total": "counter",
    "llm_budget_limit_usd": "gauge",
    "llm_budget_spent_usd": "gauge",
    "llm_budget_remaining_usd": "gauge",
}

#: The exporter's own.
OWN = {
    "llm_exporter_build_info": "gauge",
    "llm_exporter_http_requests_total": "counter",
    "llm_exporter_http_request_duration_seconds": "histogram",
    "llm_exporter_commit_duration_seconds": "histogram",
    "llm_exporter_records_accepted_total": "counter",
    "llm_exporter_records_duplicate_total": "counter",
    "llm_exporter_records_rejected_total": "counter",
    "llm_exporter_cost_source_total": "counter",
    "llm_exporter_overflow_records_total": "counter",
    "llm_exporter_unknown_fields_total": "counter",
    "llm_exporter_ignored_spans_total": "counter",
    "llm_exporter_ignored_requests_total": "counter",
    "llm_exporter_series": "gauge",
    "llm_exporter_series_limit": "gauge",
    "llm_exporter_price_entries": "gauge",
    "llm_exporter_config_reloads_total": "counter",
    "llm_exporter_config_last_reload_successful": "gauge",
    "llm_exporter_config_last_reload_success_timestamp_seconds": "gauge",
    "llm_exporter_storage_durable": "gauge",
    "llm_exporter_dedup_window_seconds": "gauge",
    "process_cpu_seconds_total": "counter",
    "process_resident_memory_bytes": "gauge",
    "process_virtual_memory_bytes": "gauge",
    "process_open_fds": "gauge",
    "process_max_fds": "gauge",
    "process_start_time_seconds": "gauge",
}
