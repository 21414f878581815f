-- expect: drop-table
-- a commentDROP TABLE poll;
