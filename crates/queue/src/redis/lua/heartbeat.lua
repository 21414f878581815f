#!lua flags=allow-oom
-- Renews a worker's lease: its alive key, and the fetch time of what it holds, so that neither our
-- sweep nor kombu's takes it.
--
-- KEYS: alive, unacked, unacked_index. ARGV: lease in ms, then the tags.
-- Returns the tags that are not there any more.
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local lost = {}
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
for i = 2, #ARGV do
    if redis.call('HEXISTS', KEYS[2], ARGV[i]) == 1 then
        redis.call('ZADD', KEYS[3], now, ARGV[i])
    else
        lost[#lost + 1] = ARGV[i]
    end
end
return lost
