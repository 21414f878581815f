#!lua flags=allow-oom
-- Counts the deaths of workers that held a message which has come back.
--
-- KEYS: the message's. ARGV: how many seconds it is remembered, the queue's own count or -1.
-- Returns the number of deaths.
local given = tonumber(redis.call('HGET', KEYS[1], 'given') or '0')
local count = tonumber(ARGV[2])
if count >= 0 then
    return math.max(0, count - given)
end
if given > 0 then
    redis.call('HINCRBY', KEYS[1], 'given', -1)
    return tonumber(redis.call('HGET', KEYS[1], 'deaths') or '0')
end
local deaths = redis.call('HINCRBY', KEYS[1], 'deaths', 1)
redis.call('EXPIRE', KEYS[1], ARGV[1])
return deaths
