-- expect: enable-row-security
ALTER TABLE poll ENABLE ROW LEVEL SECURITY;
