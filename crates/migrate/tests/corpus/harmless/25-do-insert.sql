DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM setting WHERE name = 'x') THEN
        INSERT INTO setting VALUES ('x', 1) ON CONFLICT (name) DO UPDATE SET value = 1;
    END IF;
END
$$;
