-- expect: drop-column
DO $$
BEGIN
    IF true THEN
        ALTER TABLE poll DROP COLUMN question;
    END IF;
END
$$;
