-- Single posts of the same record, each with an id of its own.
local threads = 0
function setup(thread)
   threads = threads + 1
   thread:set("thread_id", threads)
end

function init(arguments)
   run = arguments[1] or "0"
   count = 0
   headers = {["Content-Type"] = "application/json"}
end

function request()
   count = count + 1
   return wrk.format("POST", nil, headers, '{"agent_name":"ReviewerGPT","provider":"openai","model":"gpt-4o-mini","id":"'
      .. run .. '-' .. thread_id .. '-' .. count
      .. '","input_tokens":100,"output_tokens":436,"cost_usd":0.0002766,"latency_ms":150,"api_latency_ms":120,"memory_rss_mb":256.5,"memory_available_mb":2048}')
end
