-- expect: change-type
alter table only public.vote alter id set data type bigint using id::bigint;
