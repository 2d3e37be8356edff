-- Which images and pages a version of an offer names. Those that none does are deleted after a while; while one does they
-- cannot be.
CREATE TABLE offer_files (
    digest  BLOB NOT NULL REFERENCES content (digest),
    org     TEXT NOT NULL,
    sender  TEXT NOT NULL,
    offer   TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (digest, org, sender, offer, version),
    FOREIGN KEY (org, sender, offer, version) REFERENCES offer_versions (org, sender, offer, version) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX offer_files_by_version ON offer_files (org, sender, offer, version);

-- With the digest: whoever looks for what is old has not to read through the bytes.
CREATE INDEX content_by_age ON content (added, digest);

INSERT INTO offer_files (digest, org, sender, offer, version)
SELECT c.digest, v.org, v.sender, v.offer, v.version FROM offer_versions v JOIN content c
    ON instr(v.body, lower(hex(c.digest))) > 0;
