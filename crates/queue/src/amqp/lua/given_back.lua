#!lua flags=allow-oom
-- Notes that messages come back although no worker died.
--
-- KEYS: one for each message. ARGV: how many seconds that is remembered.
for i = 1, #KEYS do
    redis.call('HINCRBY', KEYS[i], 'given', 1)
    redis.call('EXPIRE', KEYS[i], ARGV[1])
end
return #KEYS
