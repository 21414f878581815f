-- Polls, their choices, votes and results. Times are timestamptz; the application shows them in UTC.

CREATE TABLE author (
    id            uuid PRIMARY KEY,
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- Trimmed and in lower case by the application, so that one address is one author.
    email         text NOT NULL CHECK (length(email) BETWEEN 3 AND 254 AND email = lower(email)),
    -- PHC string: algorithm, parameters, salt and hash.
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT author_email_unique UNIQUE (email)
);

CREATE TABLE poll (
    -- Version 7: newest first is the primary key read backwards.
    id         uuid PRIMARY KEY,
    author_id  uuid NOT NULL REFERENCES author (id),
    question   text NOT NULL CHECK (length(question) BETWEEN 1 AND 300),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When beat shall close it; NULL: its author closes it.
    closes_at  timestamptz,
    -- When it was closed; NULL: it is open.
    closed_at  timestamptz
);

CREATE INDEX poll_author ON poll (author_id, id DESC);
-- The look-up that beat causes every second touches the polls that wait for it, and no others.
CREATE INDEX poll_due ON poll (closes_at) WHERE closed_at IS NULL AND closes_at IS NOT NULL;

CREATE TABLE choice (
    id       uuid PRIMARY KEY,
    poll_id  uuid NOT NULL REFERENCES poll (id) ON DELETE CASCADE,
    position smallint NOT NULL CHECK (position >= 0),
    label    text NOT NULL CHECK (length(label) BETWEEN 1 AND 200),
    UNIQUE (poll_id, position),
    -- What a vote refers to: a choice of its own poll, never of another one.
    UNIQUE (poll_id, id)
);

CREATE TABLE vote (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    poll_id    uuid NOT NULL REFERENCES poll (id),
    choice_id  uuid NOT NULL,
    -- A random identifier that lives in the visitor's session and nowhere else.
    voter      uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (poll_id, choice_id) REFERENCES choice (poll_id, id),
    -- One vote a visitor and poll, whatever the application does and however often it is asked at once.
    CONSTRAINT vote_once UNIQUE (poll_id, voter)
);

CREATE INDEX vote_choice ON vote (poll_id, choice_id);

-- Counts by choice as the task `polls.tally` last wrote them: lists show totals without counting votes.
CREATE TABLE tally (
    poll_id    uuid NOT NULL,
    choice_id  uuid NOT NULL,
    votes      bigint NOT NULL CHECK (votes >= 0),
    counted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (poll_id, choice_id),
    FOREIGN KEY (poll_id, choice_id) REFERENCES choice (poll_id, id) ON DELETE CASCADE
);

-- The mail about a closed poll: queued together with the closing, sent once.
CREATE TABLE closing_mail (
    poll_id   uuid PRIMARY KEY REFERENCES poll (id) ON DELETE CASCADE,
    queued_at timestamptz NOT NULL DEFAULT now(),
    sent_at   timestamptz
);
