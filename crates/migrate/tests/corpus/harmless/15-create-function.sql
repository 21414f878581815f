CREATE FUNCTION poll_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM vote;
    RETURN NEW;
END
$$;
