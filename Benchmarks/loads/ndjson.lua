-- Posts of 1,000 records.
--
-- Arguments: how many sets of agent, provider and model the records of a post are of; and a name for the run, which
-- gives each post an Idempotency-Key of its own, and so every record an id. The body stays as it is.
local threads = 0
function setup(thread)
   threads = threads + 1
   thread:set("thread_id", threads)
end

local FIRST = 1000000000

function init(arguments)
   local sets = tonumber(arguments[1])
   local run = arguments[2]
   local lines = {}
   for i = 1, 1000 do
      lines[i] = '{"agent_name":"ReviewerGPT-' .. i % sets .. '","provider":"openai","model":"gpt-4o-mini",'
         .. '"input_tokens":100,"output_tokens":' .. (400 + i % 100)
         .. ',"cost_usd":0.0002766,"latency_ms":150,"api_latency_ms":120}\n'
   end
   local headers = {["Content-Type"] = "application/x-ndjson"}
   if run then headers["Idempotency-Key"] = run .. "-" .. thread_id .. "-" .. FIRST end
   whole = wrk.format("POST", nil, headers, table.concat(lines))
   if run then
      local before, after = whole:find("-" .. FIRST, 1, true)
      head, tail = whole:sub(1, before), whole:sub(after + 1)
   end
   number = FIRST
end

function request()
   if not head then return whole end
   number = number + 1
   return head .. number .. tail
end
