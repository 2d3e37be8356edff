-- Written once, in the words of SQLite; `store/migrate.rs` puts it into those of PostgreSQL.
-- Times are seconds of Unix time, truth is 0 or 1. Of tokens and cookies only the SHA-256 is kept. What is called sealed is
-- encrypted under the master key (`seal.rs`).

CREATE TABLE orgs (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    created         INTEGER NOT NULL,
    -- The Ed25519 key that signs what its routers show, which they pin when they enrol.
    public_key      BLOB NOT NULL,
    sealed_key      BLOB NOT NULL,
    -- Whether applications that the whole server allows may have the keys that its routers announce.
    keys_to_all     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE people (
    id       TEXT PRIMARY KEY,
    -- What they log in with, in lower case.
    login    TEXT NOT NULL UNIQUE,
    name     TEXT NOT NULL,
    -- Argon2id, as a PHC string.
    password TEXT NOT NULL,
    -- Whether they administer the server.
    admin    INTEGER NOT NULL,
    -- `en` or `zh`; empty: as the browser says.
    language TEXT NOT NULL DEFAULT '',
    created  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE members (
    org    TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    person TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    -- `viewer`, `editor` or `owner`.
    role   TEXT NOT NULL,
    PRIMARY KEY (org, person)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_person ON members (person);

-- Links that let somebody in once: the first one of all, and those that an owner sends.
CREATE TABLE invitations (
    hash    BLOB PRIMARY KEY,
    org     TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    role    TEXT NOT NULL,
    admin   INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    hash    BLOB PRIMARY KEY,
    person  TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    -- The organisation that is looked at; NULL for an administrator who is in none.
    org     TEXT REFERENCES orgs (id) ON DELETE SET NULL,
    created INTEGER NOT NULL,
    seen    INTEGER NOT NULL,
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_person ON sessions (person);
CREATE INDEX sessions_by_end ON sessions (expires);

-- Log-ins that failed, by what was tried and from where; forgotten after a while.
CREATE TABLE failures (
    -- SHA-256 of the name or the address.
    subject  BLOB PRIMARY KEY,
    count    INTEGER NOT NULL,
    -- The next try is looked at from here on.
    not_before INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- For programs. One without an organisation is the whole server's.
CREATE TABLE api_tokens (
    id        TEXT PRIMARY KEY,
    org       TEXT REFERENCES orgs (id) ON DELETE CASCADE,
    name      TEXT NOT NULL,
    hash      BLOB NOT NULL UNIQUE,
    -- Names with spaces between.
    scopes    TEXT NOT NULL,
    created   INTEGER NOT NULL,
    -- NULL: for good.
    expires   INTEGER,
    last_used INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX api_tokens_by_org ON api_tokens (org);

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    -- NULL: the server's administration.
    org     TEXT REFERENCES orgs (id) ON DELETE CASCADE,
    -- Who, as they were called then: a person's log-in, `token NAME`, `router ID`, `command line`.
    actor   TEXT NOT NULL,
    -- What was done, e.g. `offer.publish`.
    action  TEXT NOT NULL,
    -- To what.
    subject TEXT NOT NULL,
    -- More about it, for people.
    detail  TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX audit_by_org ON audit (org, id);
CREATE INDEX audit_by_age ON audit (at);

-- Networks of one place, heard together.
CREATE TABLE areas (
    id     TEXT PRIMARY KEY,
    org    TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    name   TEXT NOT NULL,
    -- How many of its BSSIDs a client has to hear before it joins one of them.
    needed INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

CREATE INDEX areas_by_org ON areas (org);

CREATE TABLE routers (
    id              TEXT PRIMARY KEY,
    org             TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    -- Deferred, so that an organisation can go with all that is its own.
    area            TEXT NOT NULL REFERENCES areas (id) DEFERRABLE INITIALLY DEFERRED,
    name            TEXT NOT NULL DEFAULT '',
    -- `agent`, or `plain`: no program of ours runs on it, and a person speaks for it.
    kind            TEXT NOT NULL,
    -- Ed25519; NULL for a plain one.
    public_key      BLOB,
    -- Whether the server's administrator vouches that what it announces is its sharer's.
    vouched         INTEGER NOT NULL,
    version         TEXT NOT NULL,
    enrolled        INTEGER NOT NULL,
    -- NULL before its first request.
    seen            INTEGER,
    -- Of the announce it made last; NULL before the first.
    generation      INTEGER,
    announced       INTEGER,
    -- Networks that asked to be left out of its last announce.
    refused         INTEGER NOT NULL DEFAULT 0,
    offers_revision INTEGER NOT NULL DEFAULT 0,
    -- The revision that was written to its stream last.
    offers_sent     INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX routers_by_org ON routers (org, id);
CREATE INDEX routers_by_area ON routers (area);

CREATE TABLE router_tags (
    router TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    tag    TEXT NOT NULL,
    PRIMARY KEY (router, tag)
) STRICT, WITHOUT ROWID;

CREATE INDEX router_tags_by_tag ON router_tags (tag);

-- A used token stays until it expires, so that a router whose answer was lost may ask again under the same key.
CREATE TABLE enrolment_tokens (
    hash    BLOB PRIMARY KEY,
    org     TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    -- What the router will be called, and where it will stand (NULL: in an area of its own).
    name    TEXT NOT NULL DEFAULT '',
    area    TEXT REFERENCES areas (id) ON DELETE CASCADE,
    vouch   INTEGER NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    router  TEXT REFERENCES routers (id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX enrolment_tokens_by_router ON enrolment_tokens (router);
CREATE INDEX enrolment_tokens_by_org ON enrolment_tokens (org);

CREATE TABLE networks (
    router     TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    id         TEXT NOT NULL,
    ssid       BLOB NOT NULL,
    security   TEXT NOT NULL,
    -- The key of a shared Wi-Fi, where the sharer gives it to applications.
    sealed_key BLOB,
    -- H3 cells of the place, at resolution 5 for lists and 9 for look-ups by place; NULL without a place.
    cell5      INTEGER,
    cell9      INTEGER,
    lat        REAL,
    lon        REAL,
    PRIMARY KEY (router, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX networks_by_cell5 ON networks (cell5);
CREATE INDEX networks_by_cell9 ON networks (cell9);

-- What is announced.
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

-- What is proved. Apart from `bss`, for a radio that was off for an hour has not to be proved again.
CREATE TABLE registrations (
    bssid      INTEGER NOT NULL,
    org        TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    -- `witnessed` or `vouched`.
    how        TEXT NOT NULL,
    registered INTEGER NOT NULL,
    expires    INTEGER NOT NULL,
    -- Whether another organisation has proved the same: neither is listed until a person has resolved it.
    conflict   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (bssid, org)
) STRICT, WITHOUT ROWID;

CREATE INDEX registrations_by_org ON registrations (org, expires);
CREATE INDEX registrations_in_conflict ON registrations (bssid) WHERE conflict = 1;

CREATE TABLE challenges (
    id       TEXT PRIMARY KEY,
    org      TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    router   TEXT NOT NULL,
    network  TEXT NOT NULL,
    -- What has to be heard.
    ssid     TEXT NOT NULL,
    -- On which of these: a JSON array of numbers, as they were announced when it was asked for.
    bssids   TEXT NOT NULL,
    -- Lets one witness speak.
    code     BLOB NOT NULL UNIQUE,
    asked_by TEXT NOT NULL,
    created  INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    -- `open`, `on-air`, `refused`, `verified`, `failed`, `over`.
    state    TEXT NOT NULL,
    -- Why it was refused or failed.
    why      TEXT NOT NULL DEFAULT '',
    FOREIGN KEY (router, network) REFERENCES networks (router, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX challenges_by_network ON challenges (router, network, created);
CREATE INDEX challenges_by_org ON challenges (org, created);

-- Verified routers nearby that were asked to listen for a challenge.
CREATE TABLE witnesses (
    challenge TEXT NOT NULL REFERENCES challenges (id) ON DELETE CASCADE,
    router    TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    answered  INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (challenge, router)
) STRICT, WITHOUT ROWID;

CREATE INDEX witnesses_by_router ON witnesses (router);

CREATE TABLE offers (
    org       TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    -- Who speaks: `sharer` or `server`.
    sender    TEXT NOT NULL,
    id        TEXT NOT NULL,
    -- The newest version.
    version   INTEGER NOT NULL,
    -- The version that routers have; NULL: a draft.
    published INTEGER,
    archived  INTEGER NOT NULL DEFAULT 0,
    changed   INTEGER NOT NULL,
    PRIMARY KEY (org, sender, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE offer_versions (
    org     TEXT NOT NULL,
    sender  TEXT NOT NULL,
    offer   TEXT NOT NULL,
    version INTEGER NOT NULL,
    -- The offer as it stands in its statement (JSON).
    body    TEXT NOT NULL,
    -- For which routers (JSON).
    targets TEXT NOT NULL,
    author  TEXT NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (org, sender, offer, version),
    FOREIGN KEY (org, sender, offer) REFERENCES offers (org, sender, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- For which routers a published offer is: the organisation's all, those with a tag, or one.
CREATE TABLE offer_targets (
    org    TEXT NOT NULL,
    sender TEXT NOT NULL,
    offer  TEXT NOT NULL,
    -- `all`, `tag` or `router`.
    kind   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (org, kind, value, sender, offer),
    FOREIGN KEY (org, sender, offer) REFERENCES offers (org, sender, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX offer_targets_by_offer ON offer_targets (org, sender, offer);

-- Images and pages, each once, however many offers name it.
CREATE TABLE content (
    -- SHA-256 of the bytes.
    digest BLOB PRIMARY KEY NOT NULL,
    -- The type as an offer names it, e.g. `image/png`.
    kind   TEXT NOT NULL,
    bytes  BLOB NOT NULL,
    added  INTEGER NOT NULL
) STRICT;

-- What is said live, on its way to whichever process holds the router's stream.
CREATE TABLE live (
    id     INTEGER PRIMARY KEY,
    router TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    -- The event as it stands in the stream.
    event  TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT;

CREATE INDEX live_by_age ON live (at);

-- Batches that were taken; one that comes again is counted once.
CREATE TABLE batches (
    router TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    batch  TEXT NOT NULL,
    taken  INTEGER NOT NULL,
    PRIMARY KEY (router, batch)
) STRICT, WITHOUT ROWID;

CREATE INDEX batches_by_age ON batches (taken);

-- How often something happened, for good.
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

-- The same by the hour (Unix time divided by 3600), for a while.
CREATE TABLE report_hours (
    org     TEXT NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    hour    INTEGER NOT NULL,
    router  TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    what    TEXT NOT NULL,
    count   INTEGER NOT NULL,
    PRIMARY KEY (org, hour, router, network, what)
) STRICT, WITHOUT ROWID;

CREATE INDEX report_hours_by_router ON report_hours (router, hour);
CREATE INDEX report_hours_by_age ON report_hours (hour);

-- The last reports of each router; older ones are deleted as new ones come.
CREATE TABLE last_reports (
    id       INTEGER PRIMARY KEY,
    router   TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    received INTEGER NOT NULL,
    -- The report as it travelled (JSON).
    body     TEXT NOT NULL
) STRICT;

CREATE INDEX last_reports_by_router ON last_reports (router, id);

-- What is true of the whole server, e.g. the key that signs snapshots.
CREATE TABLE server (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
