-- Asks for the targets of a file, one a line, in turn. Arguments: file, token.
local targets, at, headers = {}, 0, {}
function init(args)
  for line in io.lines(args[1]) do targets[#targets + 1] = line end
  if args[2] then headers["Authorization"] = "Bearer " .. args[2] end
  math.randomseed(os.time())
  at = math.random(#targets)
end
function request()
  at = at % #targets + 1
  return wrk.format("GET", targets[at], headers)
end
