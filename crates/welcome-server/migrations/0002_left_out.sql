-- Networks of a router's last announce whose names ask to be in no directory: nothing of them but what their operators need
-- to see why they are not listed.
CREATE TABLE left_out (
    router TEXT NOT NULL REFERENCES routers (id) ON DELETE CASCADE,
    id     TEXT NOT NULL,
    -- What in its name asks for it: `_nomap` or `_optout`.
    mark   TEXT NOT NULL,
    PRIMARY KEY (router, id)
) STRICT, WITHOUT ROWID;

-- It told how many they were, to nobody.
ALTER TABLE routers DROP COLUMN refused;
