-- The tables of schema version 1, as its release made them. Never edited.

CREATE TABLE content (
  ticket VARCHAR(64) NOT NULL,
  digest VARCHAR(64) NOT NULL,
  text TEXT NOT NULL,
  PRIMARY KEY (ticket, digest)
);

CREATE TABLE document (
  id VARCHAR(64) NOT NULL,
  document TEXT NOT NULL,
  PRIMARY KEY (id)
);

CREATE TABLE operator (
  id VARCHAR(64) NOT NULL,
  name VARCHAR(64) NOT NULL,
  secret_hash TEXT NOT NULL,
  version INTEGER NOT NULL,
  created BIGINT NOT NULL,
  disabled BIGINT,
  PRIMARY KEY (id),
  UNIQUE (name)
);

CREATE TABLE schema_version (
  version SERIAL NOT NULL,
  PRIMARY KEY (version)
);

CREATE TABLE idempotency (
  operator VARCHAR(64) NOT NULL,
  key VARCHAR(255) NOT NULL,
  fingerprint VARCHAR(64) NOT NULL,
  status INTEGER NOT NULL,
  headers TEXT NOT NULL,
  body BYTEA NOT NULL,
  expires BIGINT NOT NULL,
  PRIMARY KEY (operator, key),
  FOREIGN KEY(operator) REFERENCES operator (id)
);

CREATE INDEX idempotency_expires ON idempotency (expires);

CREATE TABLE subscription (
  operator VARCHAR(64) NOT NULL,
  id VARCHAR(64) NOT NULL,
  callback TEXT NOT NULL,
  query TEXT,
  PRIMARY KEY (operator),
  FOREIGN KEY(operator) REFERENCES operator (id)
);

CREATE TABLE ticket (
  operator VARCHAR(64) NOT NULL,
  id VARCHAR(64) NOT NULL,
  version INTEGER NOT NULL,
  "ticketType" TEXT COLLATE "C",
  "ticketSubtype" TEXT COLLATE "C",
  "correlationId" TEXT COLLATE "C",
  name TEXT COLLATE "C",
  "resolutionDate" BIGINT,
  "statusChangeDate" BIGINT,
  "statusChangeReason" TEXT COLLATE "C",
  "lastUpdate" BIGINT,
  "creationDate" BIGINT,
  status TEXT COLLATE "C",
  "externalId" TEXT COLLATE "C",
  severity TEXT COLLATE "C",
  priority BIGINT,
  origin TEXT COLLATE "C",
  PRIMARY KEY (operator, id),
  CONSTRAINT ticket_version CHECK (version >= 1),
  FOREIGN KEY(operator) REFERENCES operator (id)
);

CREATE INDEX ticket_created ON ticket (operator, "creationDate", id);

CREATE INDEX ticket_external ON ticket (operator, "externalId", "creationDate");

CREATE INDEX ticket_status ON ticket (operator, status, "creationDate");

CREATE TABLE token (
  digest VARCHAR(64) NOT NULL,
  operator VARCHAR(64) NOT NULL,
  version INTEGER NOT NULL,
  expires BIGINT NOT NULL,
  PRIMARY KEY (digest),
  FOREIGN KEY(operator) REFERENCES operator (id)
);

CREATE INDEX token_expires ON token (expires);
