-- Times are seconds of Unix time. Tokens are kept as their SHA-256 only.

CREATE TABLE operator_tokens (
    hash BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

CREATE TABLE routers (
    id              TEXT PRIMARY KEY,
    public_key      BLOB NOT NULL,
    -- Whether the operator vouches that what it announces is its sharer's.
    vouched         INTEGER NOT NULL,
    version         TEXT NOT NULL,
    enrolled        INTEGER NOT NULL,
    -- Of the announce it made last; NULL before the first.
    generation      INTEGER,
    offers_revision INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- A used token stays until it expires, so that a router whose answer was lost may ask again under the same key.
CREATE TABLE enrolment_tokens (
    hash    BLOB PRIMARY KEY,
    vouch   INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    router  TEXT REFERENCES routers (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX enrolment_tokens_by_router ON enrolment_tokens (router);

CREATE TABLE networks (
    router   TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    id       TEXT NOT NULL,
    ssid     BLOB NOT NULL,
    security TEXT NOT NULL,
    -- The key of a shared Wi-Fi, in clear: encryption at rest is open. Until then the mode of the file (0600) guards it.
    key      TEXT,
    -- H3 cells of the place, at resolution 5 for lists and 9 for look-ups by place; NULL without a place.
    cell5    INTEGER,
    cell9    INTEGER,
    PRIMARY KEY (router, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX networks_by_cell5 ON networks (cell5);
CREATE INDEX networks_by_cell9 ON networks (cell9);

CREATE TABLE bss (
    -- The 48 bits as a number, so that their order is that of the listing.
    bssid   INTEGER NOT NULL,
    router  TEXT NOT NULL,
    network TEXT NOT NULL,
    freq    INTEGER,
    PRIMARY KEY (bssid, router, network),
    FOREIGN KEY (router, network) REFERENCES networks (router, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX bss_by_network ON bss (router, network);

CREATE TABLE offers (
    router TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    id     TEXT NOT NULL,
    -- The offer as it travels (JSON).
    body   TEXT NOT NULL,
    PRIMARY KEY (router, id)
) STRICT, WITHOUT ROWID;

-- Batches that were taken; one that comes again is counted once.
CREATE TABLE batches (
    router TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    batch  TEXT NOT NULL,
    taken  INTEGER NOT NULL,
    PRIMARY KEY (router, batch)
) STRICT, WITHOUT ROWID;

CREATE INDEX batches_by_age ON batches (router, taken);

CREATE TABLE report_totals (
    router  TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    what    TEXT NOT NULL,
    -- Empty where the kind of report has none.
    sender  TEXT NOT NULL,
    offer   TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (router, network, what, sender, offer)
) STRICT, WITHOUT ROWID;

-- The last reports of each router; older ones are deleted as new ones come.
CREATE TABLE last_reports (
    id       INTEGER PRIMARY KEY,
    router   TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    received INTEGER NOT NULL,
    -- The report as it travelled (JSON).
    body     TEXT NOT NULL
) STRICT;

CREATE INDEX last_reports_by_router ON last_reports (router, id);
