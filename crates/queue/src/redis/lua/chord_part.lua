#!lua flags=allow-oom
-- Counts the end of one member of a chord's header, once however often it runs, by Celery's rules and
-- in Celery's keys; members of either language count together.
--
-- KEYS: the group's `.j` (the ends), `.t`, `.s` (the size), `.d` (who has ended), the group's shape, `.c` (who
--       sends the body), the member's result.
-- ARGV: the member, its entry, its score, how many seconds this is remembered, how many seconds the body
--       may take to be sent, who we are, the member's result or '', how many seconds that is kept.
-- Returns what has ended and the shape if the header is complete and the body is ours to send, else nothing.
local jkey, tkey, skey, dkey, gkey, ckey = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]

-- Whoever joins a header of other shape reads the results themselves.
if ARGV[7] ~= '' then
    local old = redis.pcall('GETRANGE', KEYS[7], 0, 20)
    if type(old) ~= 'string' or not string.find(old, '^{"status": ?"SUCCESS"') then
        redis.call('SETEX', KEYS[7], ARGV[8], ARGV[7])
        redis.call('PUBLISH', KEYS[7], ARGV[7])
    end
end
if redis.call('GET', ckey) == 'done' then
    return false
end
local member = ARGV[1] .. ':' .. ARGV[3]
if redis.call('SISMEMBER', dkey, member) == 0 then
    redis.call('ZADD', jkey, ARGV[3], ARGV[2])
    redis.call('SADD', dkey, member)
end
for _, key in ipairs({jkey, tkey, skey, dkey, gkey}) do
    redis.call('EXPIRE', key, ARGV[4])
end
local size = redis.call('GET', skey)
local more = redis.call('GET', tkey) or '0'
if not size or redis.call('ZCARD', jkey) ~= tonumber(size) + tonumber(more) then
    return false
end
local owner = redis.call('GET', ckey)
if owner and owner ~= ARGV[6] then
    return false
end
redis.call('SET', ckey, ARGV[6], 'EX', ARGV[5])
return {redis.call('ZRANGE', jkey, 0, -1), redis.call('GET', gkey) or ''}
