-- Posts of the ten families as text: to Pushgateway under one of 64 instances, to VictoriaMetrics' import.
function init(arguments)
   path = arguments[1]
   count = 0
   local set = 'agent_name="ReviewerGPT",provider="openai",model="gpt-4o-mini"'
   local lines = {}
   local function add(line) lines[#lines + 1] = line .. "\n" end
   add('llm_calls_total{' .. set .. ',status="success"} 1')
   add('llm_tokens_total{' .. set .. '} 536')
   add('llm_cost_usd_total{' .. set .. '} 0.0002766')
   add('llm_memory_rss_mb{agent_name="ReviewerGPT"} 256.5')
   add('llm_memory_available_mb 2048')
   add('llm_active_calls{agent_name="ReviewerGPT"} 0')
   for _, name in ipairs({"llm_latency_seconds", "llm_api_latency_seconds"}) do
      add('# TYPE ' .. name .. ' histogram')
      for _, le in ipairs({"0.1", "0.5", "1", "2.5", "5", "10", "+Inf"}) do
         add(name .. '_bucket{' .. set .. ',le="' .. le .. '"} ' .. (le == "0.1" and 0 or 1))
      end
      add(name .. '_sum{' .. set .. '} 0.15')
      add(name .. '_count{' .. set .. '} 1')
   end
   add('llm_input_tokens_last_call{' .. set .. '} 100')
   add('llm_output_tokens_last_call{' .. set .. '} 436')
   body = table.concat(lines)
   headers = {["Content-Type"] = "text/plain"}
end

function request()
   count = count + 1
   local target = path:find("/job/") and path .. "/instance/" .. (count % 64) or path
   return wrk.format("POST", target, headers, body)
end
