-- Take or renew the lease of one generation in the slots of its user.
--
-- KEYS[1]  the user's leases: a hash of <conversation>/<generation> to <end in ms> <nonce>
-- ARGV     conversation, generation, nonce, length of a lease in ms, limit ('' takes whatever is free or not, 'renew' only
--          lengthens what is held)
-- Answers {taken: 0 or 1, held before: 0 or 1, other conversations in which something runs}.

local conversation, mine, limit = ARGV[1], ARGV[1] .. '/' .. ARGV[2], ARGV[5]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local leases, others, running, held, at_home = redis.call('HGETALL', KEYS[1]), {}, 0, 0, false
for i = 1, #leases, 2 do
  local holder = string.match(leases[i], '^[^/]+')
  if tonumber(string.match(leases[i + 1], '^%d+')) <= now then
    redis.call('HDEL', KEYS[1], leases[i])
  elseif holder == conversation then
    at_home = true
    if leases[i] == mine then held = 1 end
  elseif not others[holder] then
    others[holder], running = true, running + 1
  end
end

if limit == 'renew' then
  if held == 0 then return {0, 0, running} end
elseif limit ~= '' and not at_home and running >= tonumber(limit) then
  return {0, 0, running}
end
redis.call('HSET', KEYS[1], mine, string.format('%.0f', now + ARGV[4]) .. ' ' .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {1, held, running}
