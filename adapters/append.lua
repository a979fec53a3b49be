-- Number, keep and announce one batch of events of one writer, or refuse it.
--
-- KEYS[1]  the log; the other keys of the generation lie beside it, in the same slot
-- ARGV     writer, its epoch, position of the first event, retention in ms ('' leaves the log open),
--          number after which a lost log goes on ('' answers 'lost' instead), then the frames
-- Answers the number of the last event, or 'fenced', 'sealed' or 'lost'.

local log, prefix = KEYS[1], string.sub(KEYS[1], 1, -4)
local meta, snapshot, ring = prefix .. 'meta', prefix .. 'snapshot', prefix .. 'ring'
local writer, epoch, position, retention, restart = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], ARGV[5]
local HEADER = 5
local FIRST_EVENT = 'event: generation.started\n'

local known = redis.call('HMGET', meta, 'seq', 'sealed', 'torn', 'epoch:' .. writer, 'position:' .. writer)
local seq, sealed, torn, newest, taken = tonumber(known[1]), known[2], known[3], tonumber(known[4]), tonumber(known[5])
local last = position + #ARGV - HEADER - 1

if newest and epoch < newest then return 'fenced' end
if epoch ~= newest then taken = nil end
if taken and last <= taken then return seq end -- a repeat: the answer was lost, the events were not
if sealed then return 'sealed' end

-- A log starts with generation.started, and a writer leaves no position out. What breaks this was written and is gone.
-- In a log that has been torn before, nobody knows the positions of writers that have not come back yet.
local headless = not seq and string.sub(ARGV[HEADER + 1], 1, #FIRST_EVENT) ~= FIRST_EVENT
local hole = position > (taken or 0) + 1 and (taken or not torn)
if headless or hole then
  if restart == '' then return 'lost' end
  redis.call('UNLINK', log, snapshot) -- what is left of them lacks the lost events, and no cursor could tell
  for _, field in ipairs(redis.call('HKEYS', meta)) do
    if string.sub(field, 1, 9) == 'position:' then redis.call('HDEL', meta, field) end
  end
  redis.call('HSET', meta, 'torn', 1)
  seq, taken = math.max(seq or 0, tonumber(restart)), nil
end
seq = seq or 0

local first, entries = seq + 1, {}
for i = HEADER + 1 + math.max(0, (taken or 0) - position + 1), #ARGV do
  seq = seq + 1
  local number = string.format('%d', seq)
  local entry = 'id: ' .. number .. '\n' .. ARGV[i]
  redis.call('XADD', log, number .. '-0', 'f', entry)
  entries[#entries + 1] = entry
end
redis.call('HSET', meta, 'seq', seq, 'epoch:' .. writer, epoch, 'position:' .. writer, last)
if retention ~= '' then
  redis.call('HSET', meta, 'sealed', 1)
  for _, key in ipairs({log, meta, snapshot}) do redis.call('PEXPIRE', key, retention) end
end
local header = string.format('%d %d %d\n', first, seq, retention ~= '' and 1 or 0)
redis.call('PUBLISH', ring, header .. table.concat(entries))
return seq
