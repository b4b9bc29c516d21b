-- Creates one organization a request, each with a name of its own. Arguments: token.
local headers, thread, count = { ["Content-Type"] = "application/json" }, 0, 0
local threads = 0
function setup(t) threads = threads + 1; t:set("thread", threads) end
function init(args)
  if args[1] then headers["Authorization"] = "Bearer " .. args[1] end
end
function request()
  count = count + 1
  local body = '{"__objType":"Organization","name":"created ' .. thread .. '-' .. count .. '","type":"company"}'
  return wrk.format("POST", "/graph", headers, body)
end
