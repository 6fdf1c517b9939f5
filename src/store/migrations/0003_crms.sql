-- What each call made or shares: leads, and in simple mode clients and deals; in whichever CRM.
CREATE TABLE call_records (
    call TEXT NOT NULL, record TEXT NOT NULL, PRIMARY KEY (call, record)
) WITHOUT ROWID;
INSERT INTO call_records (call, record) SELECT call, 'lead:' || lead FROM lead_calls;
DROP TABLE lead_calls;

-- `call` made it (simple mode), by this line, from this source.
ALTER TABLE contacts ADD COLUMN call TEXT;
ALTER TABLE contacts ADD COLUMN source TEXT;
ALTER TABLE contacts ADD COLUMN line TEXT;
ALTER TABLE companies ADD COLUMN call TEXT;
ALTER TABLE companies ADD COLUMN source TEXT;
ALTER TABLE companies ADD COLUMN line TEXT;
ALTER TABLE deals ADD COLUMN call TEXT;
ALTER TABLE deals ADD COLUMN source TEXT;

-- What a CRM wants kept here, by its own keys: one elsewhere, or an import into ours.
CREATE TABLE crm_notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
