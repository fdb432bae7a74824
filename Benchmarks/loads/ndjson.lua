-- Posts of 1,000 records, with an Idempotency-Key of its own each where a run is named: it gives every record an id.
local threads = 0
function setup(thread)
   threads = threads + 1
   thread:set("thread_id", threads)
end

function init(arguments)
   run = arguments[1]
   count = 0
   local lines = {}
   for i = 1, 1000 do
      lines[i] = '{"agent_name":"ReviewerGPT","provider":"openai","model":"gpt-4o-mini","input_tokens":100,"output_tokens":'
         .. (400 + i % 100) .. ',"cost_usd":0.0002766,"latency_ms":150,"api_latency_ms":120}\n'
   end
   body = table.concat(lines)
   headers = {["Content-Type"] = "application/x-ndjson"}
end

function request()
   count = count + 1
   if run then headers["Idempotency-Key"] = run .. "-" .. thread_id .. "-" .. count end
   return wrk.format("POST", nil, headers, body)
end
