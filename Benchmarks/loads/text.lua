-- Posts of the ten families as text: to Pushgateway, under one of as many instances as there are connections, as
-- senders that each push what they have counted; or to VictoriaMetrics' import.
--
-- Argument: the path.
local INSTANCES = 64

local function text()
   local set = 'agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"'
   local of_agent = 'agent_name="ReviewerGPT"'
   local lines = {}
   local function add(line) lines[#lines + 1] = line .. "\n" end
   local function family(name, type, labels, value)
      add('# TYPE ' .. name .. ' ' .. type)
      add(name .. labels .. ' ' .. value)
   end
   local function histogram(name, labels)
      add('# TYPE ' .. name .. ' histogram')
      for _, le in ipairs({"0.1", "0.5", "1", "2.5", "5", "10", "+Inf"}) do
         add(name .. '_bucket{' .. labels .. ',le="' .. le .. '"} ' .. (le == "0.1" and 0 or 1))
      end
      add(name .. '_sum{' .. labels .. '} 0.15')
      add(name .. '_count{' .. labels .. '} 1')
   end
   family('llm_calls_total', 'counter', '{' .. set .. ',status="success"}', 1)
   family('llm_tokens_total', 'counter', '{' .. set .. '}', 536)
   family('llm_cost_usd_total', 'counter', '{' .. set .. '}', 0.0002766)
   family('llm_memory_rss_mb', 'gauge', '{' .. of_agent .. '}', 256.5)
   family('llm_memory_available_mb', 'gauge', '', 2048)
   family('llm_active_calls', 'gauge', '{' .. of_agent .. '}', 0)
   histogram('llm_latency_seconds', set)
   histogram('llm_api_latency_seconds', of_agent .. ',provider="openai"')
   family('llm_input_tokens_last_call', 'gauge', '{' .. set .. '}', 100)
   family('llm_output_tokens_last_call', 'gauge', '{' .. set .. '}', 436)
   return table.concat(lines)
end

function init(arguments)
   local path = arguments[1]
   local body = text()
   requests = {}
   for instance = 1, INSTANCES do
      local target = path:find("/job/") and path .. "/instance/" .. instance or path
      requests[instance] = wrk.format("POST", target, {["Content-Type"] = "text/plain"}, body)
   end
   count = 0
end

function request()
   count = count % INSTANCES + 1
   return requests[count]
end
