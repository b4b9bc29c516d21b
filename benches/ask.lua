-- Sends the requests of a file in turn, each thread from another one on. A line is `METHOD target`, and for those with a
-- body, after tabs, its type and the body. `{n}` becomes a number no other request has. Arguments: file, token, number of the run.
local requests, at, count, run = {}, 0, 0, 0
local threads = 0
-- `thread` is a global of each thread: what is set here is no local of it.
function setup(t) t:set("thread", threads); threads = threads + 1 end
local function made(line, token)
  local head, media, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
  local method, target = (head or line):match("^(%S+) (.*)$")
  local headers = {}
  if token ~= nil then headers["Authorization"] = "Bearer " .. token end
  if media and media ~= "" then headers["Content-Type"] = media end
  return wrk.format(method, target, headers, body)
end
function init(args)
  run = tonumber(args[3] or "0")
  -- As wide as what takes its place, for the length is counted before.
  for line in io.lines(args[1]) do
    local text = made(line:gsub("{n}", "@@@@@@@@@@@@@@"), args[2])
    local pieces, from = {}, 1
    while true do
      local first, last = text:find("@@@@@@@@@@@@@@", from, true)
      if not first then break end
      pieces[#pieces + 1] = text:sub(from, first - 1)
      from = last + 1
    end
    pieces[#pieces + 1] = text:sub(from)
    requests[#requests + 1] = #pieces == 1 and text or pieces
  end
  at = math.floor(#requests * thread / 2)
end
function request()
  at = at % #requests + 1
  local it = requests[at]
  if type(it) == "string" then return it end
  count = count + 1
  return table.concat(it, string.format("%04d-%01d-%07d", run, thread, count))
end
