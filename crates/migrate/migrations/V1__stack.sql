-- The stack's own tables. They live beside the application's, in a schema of their own.
CREATE SCHEMA IF NOT EXISTS kiuas;

-- Task messages that were sent inside a transaction and have not reached the broker yet.
-- A relay reads them in order, pushes them and deletes them in one transaction.
CREATE TABLE kiuas.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Name of the broker's queue.
    queue text NOT NULL,
    -- The message, byte for byte as the broker gets it.
    message text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Wakes the relays when the inserting transaction commits. In a trigger, so that it holds for
-- every writer, whatever language it is written in.
CREATE FUNCTION kiuas.outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('kiuas_outbox', '');
    RETURN NULL;
END
$$;

CREATE TRIGGER outbox_notify AFTER INSERT ON kiuas.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION kiuas.outbox_notify();

-- One row for each tick of the schedule that was enqueued: the primary key is what makes any number
-- of beats enqueue a tick once.
CREATE TABLE kiuas.beat_tick (
    entry text NOT NULL,
    due_at timestamptz NOT NULL,
    enqueued_at timestamptz NOT NULL DEFAULT now(),
    -- Who enqueued it.
    host text NOT NULL,
    PRIMARY KEY (entry, due_at)
);
