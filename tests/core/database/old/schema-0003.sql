BEGIN TRANSACTION;
CREATE TABLE edits (
	dataset VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	item_id VARCHAR NOT NULL, 
	content_hash VARCHAR NOT NULL, 
	fingerprint VARCHAR NOT NULL, 
	kind VARCHAR NOT NULL, 
	class_name VARCHAR, 
	old VARCHAR, 
	new VARCHAR, 
	undoes INTEGER, 
	who VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	why VARCHAR NOT NULL, 
	evidence JSON NOT NULL, 
	session VARCHAR NOT NULL, 
	seq INTEGER NOT NULL, 
	PRIMARY KEY (dataset, number), 
	UNIQUE (dataset, session, seq)
);
INSERT INTO "edits" VALUES('fashion-mnist-sample',1,'train-00044','36f50e3c9b7f7a2290bea3c53202a5a1','e2d4fc7aadada2a06ffae79b60be4e95','label',NULL,'Ankle boot','Bag',NULL,'ann',1.79548663862403607371e+09,'a handle, see?','{"guess": "Bag", "confidence": 0.875}','browser-1',1);
INSERT INTO "edits" VALUES('fashion-mnist-sample',2,'train-00046','37fd7ecaec6bbbbd02def5dea20d07a9','e2d4fc7aadada2a06ffae79b60be4e95','exclude',NULL,'Sneaker','Sneaker',NULL,'bob',1.79548663865343976022e+09,'','{}','browser-2',1);
INSERT INTO "edits" VALUES('fashion-mnist-sample',3,'train-00046','37fd7ecaec6bbbbd02def5dea20d07a9','e2d4fc7aadada2a06ffae79b60be4e95','undo',NULL,'Sneaker','Sneaker',2,'bob',1.7954866386693451404e+09,'','{}','browser-2',2);
CREATE TABLE journal (
	format INTEGER NOT NULL, 
	PRIMARY KEY (format)
);
INSERT INTO "journal" VALUES(1);
CREATE TABLE named_versions (
	dataset VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	version INTEGER NOT NULL, 
	who VARCHAR NOT NULL, 
	why VARCHAR NOT NULL, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (dataset, name)
);
INSERT INTO "named_versions" VALUES('fashion-mnist-sample','first-pass',3,'ann','all coats seen',1.79548663868284797667e+09);
CREATE TABLE runs (
	id VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	about TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE schema_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT schema_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "schema_version" VALUES('0003');
CREATE TABLE study_log (
	study VARCHAR NOT NULL, 
	number INTEGER NOT NULL, 
	batch VARCHAR NOT NULL, 
	entry TEXT NOT NULL, 
	PRIMARY KEY (study, number)
);
CREATE INDEX edits_by_item ON edits (dataset, item_id);
CREATE TRIGGER edits_no_update BEFORE UPDATE ON edits BEGIN SELECT RAISE(ABORT, 'the journal is append-only: undo appends'); END;
CREATE TRIGGER edits_no_delete BEFORE DELETE ON edits BEGIN SELECT RAISE(ABORT, 'the journal is append-only: undo appends'); END;
CREATE INDEX study_log_by_batch ON study_log (batch);
CREATE INDEX runs_by_name ON runs (name);
COMMIT;
