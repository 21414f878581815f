-- expect: timeout
SET lock_timeout = 0;
