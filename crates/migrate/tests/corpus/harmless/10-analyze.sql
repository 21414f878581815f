ANALYZE poll;
