#!lua flags=allow-oom
-- Moves tasks whose time has come to the back of their queues.
--
-- KEYS: for each queue its set of waiting tasks; members are `<step> <tag> <message>`, scores the time.
-- ARGV: most a queue, then for each queue the lists of the steps 0, 3, 6 and 9.
-- Returns the number moved and the milliseconds until the next is due, -1 if none waits.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local steps = { ['0'] = 0, ['3'] = 1, ['6'] = 2, ['9'] = 3 }
local moved, next_due = 0, -1
for q = 1, #KEYS do
    local due = redis.call('ZRANGE', KEYS[q], '-inf', string.format('%.6f', now), 'BYSCORE', 'LIMIT', 0, ARGV[1])
    for i = 1, #due do
        local member = due[i]
        local first = string.find(member, ' ', 1, true) or 0
        local second = string.find(member, ' ', first + 1, true) or 0
        local step = steps[string.sub(member, 1, first - 1)] or 0
        redis.call('LPUSH', ARGV[2 + (q - 1) * 4 + step], string.sub(member, second + 1))
        redis.call('ZREM', KEYS[q], member)
        moved = moved + 1
    end
    local first = redis.call('ZRANGE', KEYS[q], 0, 0, 'WITHSCORES')
    if first[2] then
        local pause = math.max(0, math.ceil((tonumber(first[2]) - now) * 1000))
        if next_due < 0 or pause < next_due then
            next_due = pause
        end
    end
end
return { moved, next_due }
