-- expect: reindex
REINDEX TABLE poll;
