#!lua flags=allow-oom
-- Moves messages from the queues' lists to kombu's `unacked`: copy first, trim last, so that an error
-- at any step leaves them in their list. Texts are spliced, never decoded.
--
-- KEYS: unacked, unacked_index, this worker's alive key, then the lists in the order of service.
-- ARGV: most, longest message, lease in ms, worker id, first number,
--       then for each list: the queue's name as JSON, the key of its malformed messages.
-- Returns the number of malformed messages, {tag, index of the list, message} for each claimed one, and
-- the time in seconds and microseconds.
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
local left, longest = tonumber(ARGV[1]), tonumber(ARGV[2])
local worker, number = ARGV[4], tonumber(ARGV[5])
local malformed, claimed = 0, {}
-- Without a lease, another worker's sweep would take away at once what is claimed here.
redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
for i = 4, #KEYS do
    if left <= 0 then
        break
    end
    local queue, aside = ARGV[2 * i - 2], ARGV[2 * i - 1]
    local messages = redis.call('LRANGE', KEYS[i], -left, -1)
    for j = #messages, 1, -1 do
        local message = messages[j]
        if #message > longest or string.byte(message, 1) ~= 123 or string.byte(message, -1) ~= 125 then
            redis.call('LPUSH', aside, message)
            redis.call('LTRIM', aside, 0, 9999)
            malformed = malformed + 1
        else
            local tag = worker .. ':' .. string.format('%.0f', number)
            number = number + 1
            left = left - 1
            redis.call('HSET', KEYS[1], tag, '[' .. message .. ',"",' .. queue .. ']')
            redis.call('ZADD', KEYS[2], now, tag)
            claimed[#claimed + 1] = { tag, i - 4, message }
        end
    end
    if #messages > 0 then
        redis.call('LTRIM', KEYS[i], 0, -(#messages + 1))
    end
end
return { malformed, claimed, time[1], time[2] }
