#!lua flags=allow-oom
-- Ends one delivery: what follows from it happens first, its record goes last. Nothing happens if the
-- record is gone (a stale holder), or if the guard key exists (its owner is alive after all).
--
-- KEYS: unacked, unacked_index.
-- ARGV: tag, guard key or '', then quadruples: what (front, back, later, aside, result, set,
--       joined), key, number (later: the time; others: how many seconds it is kept), text.
-- Returns 1 if it was done.

-- A success is never overwritten, as in Celery: the task may have been sent twice. Both writers put
-- the status first.
local function store(key, seconds, text)
    local old = redis.pcall('GETRANGE', key, 0, 20)
    if type(old) ~= 'string' or not string.find(old, '^{"status": ?"SUCCESS"') then
        redis.call('SETEX', key, seconds, text)
        redis.call('PUBLISH', key, text)
    end
end

if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
    return 0
end
if ARGV[2] ~= '' and redis.call('EXISTS', ARGV[2]) == 1 then
    return 0
end
for i = 3, #ARGV, 4 do
    local what, key, number, text = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    if what == 'front' then
        redis.call('RPUSH', key, text)
    elseif what == 'back' then
        redis.call('LPUSH', key, text)
    elseif what == 'later' then
        redis.call('ZADD', key, number, text)
    elseif what == 'set' then
        redis.call('SETEX', key, number, text)
    elseif what == 'joined' then
        redis.call('DEL', key .. '.j', key .. '.t', key .. '.s', key .. '.d')
        redis.call('SET', key .. '.c', 'done', 'EX', number)
    elseif what == 'result' then
        store(key, number, text)
    else
        redis.call('LPUSH', key, text)
        redis.call('LTRIM', key, 0, 9999)
    end
end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
