-- Times are Unix milliseconds; phone numbers are their digits, country code first, as a BIGINT.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE contacts (
    id BIGINT PRIMARY KEY, name TEXT NOT NULL, responsible TEXT, set_by_calls TEXT, email TEXT, company BIGINT,
    created BIGINT NOT NULL, last_activity BIGINT
) WITHOUT ROWID;

CREATE TABLE companies (
    id BIGINT PRIMARY KEY, name TEXT NOT NULL, responsible TEXT, set_by_calls TEXT, email TEXT, company BIGINT,
    created BIGINT NOT NULL, last_activity BIGINT
) WITHOUT ROWID;

-- `call` made it; `set_by_calls` is the owner that calls gave it last: while it equals `responsible`, calls may move it.
CREATE TABLE leads (
    id BIGINT PRIMARY KEY, name TEXT, responsible TEXT, set_by_calls TEXT, source TEXT, status TEXT NOT NULL, line TEXT,
    call TEXT, converted TEXT NOT NULL DEFAULT '[]', created BIGINT NOT NULL, last_activity BIGINT
) WITHOUT ROWID;

-- Which lead a call made or shares.
CREATE TABLE lead_calls (call TEXT PRIMARY KEY, lead BIGINT NOT NULL) WITHOUT ROWID;

CREATE TABLE deals (
    id BIGINT PRIMARY KEY, responsible TEXT, set_by_calls TEXT, pipeline TEXT NOT NULL, stage TEXT NOT NULL,
    contact BIGINT, company BIGINT, lead BIGINT, created BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE phones (digits BIGINT NOT NULL, kind TEXT NOT NULL, id BIGINT NOT NULL, PRIMARY KEY (digits, kind, id)) WITHOUT ROWID;

CREATE TABLE activities (
    id BIGINT PRIMARY KEY, call_id TEXT NOT NULL UNIQUE, phone BIGINT, direction TEXT NOT NULL, outcome TEXT NOT NULL,
    started BIGINT NOT NULL, ended BIGINT NOT NULL, ring_seconds BIGINT NOT NULL, talk_seconds BIGINT NOT NULL,
    employee TEXT, line TEXT, attached_to TEXT, recording TEXT, transferred_from TEXT, legs TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX activities_phone ON activities (phone);
CREATE INDEX activities_attached ON activities (attached_to);

CREATE TABLE exceptions (value TEXT PRIMARY KEY, kind TEXT NOT NULL, comment TEXT, added BIGINT NOT NULL) WITHOUT ROWID;

CREATE TABLE calls (
    id TEXT PRIMARY KEY, started BIGINT NOT NULL, direction TEXT NOT NULL, from_number TEXT NOT NULL,
    to_number TEXT NOT NULL, line TEXT, employee TEXT, outcome TEXT, created TEXT NOT NULL, record TEXT NOT NULL
);
CREATE INDEX calls_started ON calls (started, id);

-- Every write that a call asks of the CRM. `payload` is kept until it is in effect.
CREATE TABLE outbox (
    call TEXT NOT NULL, seq BIGINT NOT NULL, write TEXT NOT NULL, state TEXT NOT NULL, payload TEXT,
    attempts BIGINT NOT NULL, next_at BIGINT NOT NULL, error TEXT, since BIGINT NOT NULL, written_at BIGINT,
    PRIMARY KEY (call, seq)
);
CREATE INDEX outbox_unwritten ON outbox (since) WHERE state <> 'written';

CREATE TABLE presence (employee TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
