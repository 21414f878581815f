#!lua flags=allow-oom
-- Finds deliveries whose holder is dead: those of a worker like us without an alive key, and those of
-- Python workers after kombu's visibility timeout. Our own old ones come too: the caller knows which
-- of them it holds.
--
-- KEYS: unacked, unacked_index.
-- ARGV: lease in seconds, visibility timeout in seconds, offset, page, prefix of alive keys, own id.
-- Returns the number of index entries read and {tag, record} for each stale delivery.
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local oldest, offset, page = now - tonumber(ARGV[1]), ARGV[3], ARGV[4]
local entries = redis.call('ZRANGE', KEYS[2], '-inf', string.format('%.6f', oldest), 'BYSCORE',
    'LIMIT', offset, page, 'WITHSCORES')
local stale = {}
for i = 1, #entries, 2 do
    local tag, since = entries[i], tonumber(entries[i + 1])
    local owner = string.match(tag, '^(kiuas%-.+):%d+$')
    local is_stale
    if owner == ARGV[6] then
        is_stale = true
    elseif owner then
        is_stale = redis.call('EXISTS', ARGV[5] .. owner) == 0
    else
        is_stale = since <= now - tonumber(ARGV[2])
    end
    if is_stale and #stale < 100 then
        local record = redis.call('HGET', KEYS[1], tag)
        if record then
            stale[#stale + 1] = { tag, record }
        else
            redis.call('ZREM', KEYS[2], tag)
        end
    end
end
return { #entries / 2, stale }
