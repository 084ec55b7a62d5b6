-- Repeats one request and checks every answer.
-- Usage: wrk … -s load.lua URL -- METHOD [BODY_FILE EXPECTED_FILE]
-- Prints one line of JSON after wrk's own report.

local threads = {}

local function contents(name)
  local file = assert(io.open(name, "rb"))
  local bytes = file:read("*a")
  file:close()
  return bytes
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  wrong = 0
  wrk.method = args[1]
  if args[2] then
    wrk.body = contents(args[2])
    wrk.headers["Content-Type"] = "text/plain"
  end
  if args[3] then
    local expected = contents(args[3])
    -- Only defined when needed: without it wrk does not keep the answers.
    function response(status, headers, body)
      if status ~= 200 or body ~= expected then
        wrong = wrong + 1
      end
    end
  end
end

function done(summary, latency, requests)
  local wrong = 0
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("wrong")
  end
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"wrong":%d,"failed":%d,"p50":%.3f,"p99":%.3f}\n',
    summary.requests, summary.duration / 1e6, wrong,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000
  ))
end
