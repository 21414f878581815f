#!lua flags=allow-oom
-- Stores results and announces them. A success is never overwritten, as in Celery: the task may have been
-- sent twice. Both writers put the status first.
--
-- KEYS: the results'. ARGV: how many seconds they are kept, then the text of each.
-- Returns how many were stored.
local stored = 0
for i = 1, #KEYS do
    local old = redis.pcall('GETRANGE', KEYS[i], 0, 20)
    if type(old) ~= 'string' or not string.find(old, '^{"status": ?"SUCCESS"') then
        redis.call('SETEX', KEYS[i], ARGV[1], ARGV[i + 1])
        redis.call('PUBLISH', KEYS[i], ARGV[i + 1])
        stored = stored + 1
    end
end
return stored
