-- Keep a snapshot, unless a newer one is kept.
--
-- KEYS[1]  the snapshot; the other keys of the generation lie beside it, in the same slot
-- ARGV     cursor, view as JSON, entries beyond which the log is trimmed, '1' to begin a log that is not there

local snapshot, prefix = KEYS[1], string.sub(KEYS[1], 1, -9)
local log, meta, ring = prefix .. 'log', prefix .. 'meta', prefix .. 'ring'
local cursor, view, bound, begin = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'

local known = redis.call('HMGET', meta, 'seq', 'sealed')
local seq, sealed = tonumber(known[1]), known[2]
if not seq and begin then
  redis.call('HSET', meta, 'seq', cursor, 'torn', 1)
  seq = cursor
end
-- Of a log that has expired, or was lost and perhaps begun anew: nobody could read on from it.
if not seq or cursor > seq then return end
local follows = string.format('%d-0', cursor + 1)
if cursor < seq and #redis.call('XRANGE', log, follows, follows) == 0 then return end
if sealed and cursor == seq then return end -- whoever joins after the end still gets the terminal event itself

local older = tonumber(redis.call('HGET', snapshot, 'cursor'))
if older and older >= cursor then return end
redis.call('HSET', snapshot, 'cursor', cursor, 'view', view)
if sealed then redis.call('PEXPIRE', snapshot, redis.call('PTTL', meta)) end
if not older then
  redis.call('PUBLISH', ring, '0 0 0\n') -- readers of a torn log wait for its first snapshot
elseif redis.call('XLEN', log) > bound then
  redis.call('XTRIM', log, 'MINID', string.format('%d-0', older + 1))
end
