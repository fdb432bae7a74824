-- Single posts of the same record, each with an id of its own: `run-thread-number`, in the body.
--
-- Arguments: a name for the run, so that no other run has its ids; and, for posts spread evenly over as many sets of
-- agent, provider and model, their count. The request is made once and only its numbers change, all of one width: the
-- load generator must not be the limit.
local threads = 0
function setup(thread)
   threads = threads + 1
   thread:set("thread_id", threads)
end

local FIRST = 1000000000

function init(arguments)
   local run = arguments[1] or "0"
   sets = tonumber(arguments[2])
   local agent, model = "ReviewerGPT", "gpt-4o-mini"
   if sets then agent, model = "agent-AAAAAAA", "model-M" end
   local whole = wrk.format("POST", nil, {["Content-Type"] = "application/json"},
      '{"agent_name":"' .. agent .. '","provider":"openai","model":"' .. model .. '","id":"' .. run .. '-' .. thread_id
      .. '-' .. FIRST .. '","input_tokens":100,"output_tokens":436,"cost_usd":0.0002766,"latency_ms":150,'
      .. '"api_latency_ms":120,"memory_rss_mb":256.5,"memory_available_mb":2048}')
   local before, after = whole:find("-" .. FIRST, 1, true)
   head, tail = whole:sub(1, before), whole:sub(after + 1)
   if sets then
      local from, to = head:find("AAAAAAA", 1, true)
      head, middle = head:sub(1, from - 1), head:sub(to + 1)
      from, to = middle:find("model-M", 1, true)
      middle, rest = middle:sub(1, to - 1), middle:sub(to + 1)
   end
   number = FIRST
   at = thread_id * 7919
end

function request()
   number = number + 1
   if not sets then return head .. number .. tail end
   -- A full cycle over the sets in no order that they were made in: 7,919 is prime and divides no power of ten.
   at = (at + 7919) % sets
   local model = at % 10
   return head .. 1000000 + (at - model) / 10 .. middle .. model .. rest .. number .. tail
end
