-- Offers have a sender; those from before are the operator's.
CREATE TABLE offers_by_sender (
    router TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    -- `sharer` or `server`.
    sender TEXT NOT NULL,
    id     TEXT NOT NULL,
    -- The offer as it stands in its statement (JSON).
    body   TEXT NOT NULL,
    PRIMARY KEY (router, sender, id)
) STRICT, WITHOUT ROWID;

INSERT INTO offers_by_sender (router, sender, id, body) SELECT router, 'server', id, body FROM offers;
DROP TABLE offers;
ALTER TABLE offers_by_sender RENAME TO offers;
-- What routers have of them came without a signature.
UPDATE routers SET offers_revision = offers_revision + 1;

-- Images and pages, each once, however many offers name it.
CREATE TABLE content (
    -- SHA-256 of the bytes.
    digest BLOB PRIMARY KEY NOT NULL,
    -- The type as an offer names it, e.g. `image/png`.
    kind   TEXT NOT NULL,
    bytes  BLOB NOT NULL
) STRICT;
