-- Phones that have registered here; `binding` is JSON, `expires` Unix milliseconds.
CREATE TABLE bindings (
    employee TEXT NOT NULL, contact TEXT NOT NULL, expires BIGINT NOT NULL, binding TEXT NOT NULL,
    PRIMARY KEY (employee, contact)
) WITHOUT ROWID;
