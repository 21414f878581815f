-- What the task `demo.sleep` leaves behind: who checks that tasks are delivered, and how often, reads it.

CREATE TABLE demo_run (
    task_id     text PRIMARY KEY,
    key         text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    -- How many times the task has begun; more than one after its worker died.
    deliveries  integer NOT NULL DEFAULT 1,
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);

CREATE INDEX demo_run_key ON demo_run (key);
