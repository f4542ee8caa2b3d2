-- Generated from the migrations (python -m voicekit.catalog.migrate); do not edit.

CREATE TABLE api_keys (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	owner VARCHAR(200) NOT NULL, 
	scopes JSON NOT NULL, 
	sha256 VARCHAR(64) NOT NULL, 
	created_at VARCHAR(40) NOT NULL, 
	revoked_at VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_api_keys PRIMARY KEY (id), 
	CONSTRAINT uq_api_keys_sha256 UNIQUE (sha256)
);

CREATE TABLE clips (
	dataset_id VARCHAR(64) NOT NULL, 
	id TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	recording_id VARCHAR(64) NOT NULL, 
	start_sample BIGINT NOT NULL, 
	num_samples BIGINT NOT NULL, 
	duration_s FLOAT NOT NULL, 
	text TEXT NOT NULL, 
	verdict VARCHAR(16) NOT NULL, 
	reason TEXT NOT NULL, 
	held_out BOOLEAN NOT NULL, 
	CONSTRAINT pk_clips PRIMARY KEY (dataset_id, id), 
	CONSTRAINT fk_clips_dataset_id_datasets FOREIGN KEY(dataset_id) REFERENCES datasets (id) ON DELETE CASCADE, 
	CONSTRAINT fk_clips_recording_id_recordings FOREIGN KEY(recording_id) REFERENCES recordings (id), 
	CONSTRAINT ck_clips_verdict CHECK (verdict IN ('accepted', 'rejected'))
);

CREATE TABLE consents (
	id VARCHAR(64) NOT NULL, 
	owner VARCHAR(200) NOT NULL, 
	speaker TEXT NOT NULL, 
	statement TEXT NOT NULL, 
	language VARCHAR(35) NOT NULL, 
	recording TEXT NOT NULL, 
	words_ok BOOLEAN NOT NULL, 
	heard TEXT NOT NULL, 
	voice_ok BOOLEAN, 
	cosine FLOAT, 
	created_at VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_consents PRIMARY KEY (id)
);

CREATE TABLE datasets (
	id VARCHAR(64) NOT NULL, 
	name VARCHAR(200) NOT NULL, 
	spec_hash VARCHAR(64) NOT NULL, 
	speech_s FLOAT NOT NULL, 
	CONSTRAINT pk_datasets PRIMARY KEY (id)
);

CREATE TABLE evaluations (
	id VARCHAR(64) NOT NULL, 
	run_id VARCHAR(64) NOT NULL, 
	seed BIGINT NOT NULL, 
	passed BOOLEAN NOT NULL, 
	reasons JSON NOT NULL, 
	advice JSON NOT NULL, 
	added_at VARCHAR(40) NOT NULL, for_checking BOOLEAN DEFAULT 0 NOT NULL, 
	CONSTRAINT pk_evaluations PRIMARY KEY (id), 
	CONSTRAINT fk_evaluations_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id) ON DELETE CASCADE
);

CREATE TABLE idempotency_keys (
	"key" VARCHAR(255) NOT NULL, 
	owner VARCHAR(200) NOT NULL, 
	route VARCHAR(200) NOT NULL, 
	status INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	created_at VARCHAR(40) NOT NULL, request VARCHAR(64) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_idempotency_keys PRIMARY KEY ("key", owner, route)
);

CREATE TABLE jobs (
	id VARCHAR(64) NOT NULL, 
	sequence BIGINT NOT NULL, 
	name VARCHAR(40) NOT NULL, 
	owner VARCHAR(200) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempt INTEGER NOT NULL, 
	queue VARCHAR(40) NOT NULL, 
	step VARCHAR(40) NOT NULL, 
	fraction FLOAT NOT NULL, 
	message TEXT NOT NULL, 
	done JSON NOT NULL, 
	losses JSON NOT NULL, 
	samples JSON NOT NULL, 
	fault JSON, 
	version INTEGER NOT NULL, 
	request JSON NOT NULL, 
	created_at VARCHAR(40) NOT NULL, 
	updated_at VARCHAR(40) NOT NULL, numbers JSON DEFAULT '{}' NOT NULL, 
	CONSTRAINT pk_jobs PRIMARY KEY (id), 
	CONSTRAINT ck_jobs_state CHECK (state IN ('queued', 'running', 'finished', 'refused', 'failed', 'cancelled'))
);

CREATE TABLE metrics (
	evaluation_id VARCHAR(64) NOT NULL, 
	name VARCHAR(100) NOT NULL, 
	position INTEGER NOT NULL, 
	value FLOAT, 
	low FLOAT, 
	high FLOAT, 
	n INTEGER NOT NULL, 
	CONSTRAINT pk_metrics PRIMARY KEY (evaluation_id, name), 
	CONSTRAINT fk_metrics_evaluation_id_evaluations FOREIGN KEY(evaluation_id) REFERENCES evaluations (id) ON DELETE CASCADE
);

CREATE TABLE recordings (
	id VARCHAR(64) NOT NULL, 
	path TEXT NOT NULL, 
	sample_rate_hz INTEGER NOT NULL, 
	num_samples BIGINT NOT NULL, 
	channels INTEGER NOT NULL, 
	language VARCHAR(35) NOT NULL, 
	speaker_id VARCHAR(200) NOT NULL, 
	consent_id VARCHAR(200) NOT NULL, 
	CONSTRAINT pk_recordings PRIMARY KEY (id)
);

CREATE TABLE runs (
	id VARCHAR(64) NOT NULL, 
	dataset_id VARCHAR(64) NOT NULL, 
	base_model TEXT NOT NULL, 
	base_revision VARCHAR(200) NOT NULL, 
	spec_hash VARCHAR(64) NOT NULL, 
	code_revision VARCHAR(200) NOT NULL, 
	seed BIGINT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	steps INTEGER NOT NULL, 
	seconds FLOAT NOT NULL, 
	loss_first FLOAT, 
	loss_last FLOAT, 
	trainable_parameters BIGINT NOT NULL, 
	started_at VARCHAR(40) NOT NULL, 
	finished_at VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_runs PRIMARY KEY (id), 
	CONSTRAINT fk_runs_dataset_id_datasets FOREIGN KEY(dataset_id) REFERENCES datasets (id), 
	CONSTRAINT ck_runs_state CHECK (state IN ('running', 'finished', 'failed'))
);

CREATE TABLE uploads (
	id VARCHAR(64) NOT NULL, 
	owner VARCHAR(200) NOT NULL, 
	path TEXT NOT NULL, 
	name TEXT NOT NULL, 
	num_bytes BIGINT NOT NULL, 
	created_at VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_uploads PRIMARY KEY (id)
);

CREATE TABLE voices (
	slug VARCHAR(40) NOT NULL, 
	version INTEGER NOT NULL, 
	speaker VARCHAR(200) NOT NULL, 
	run_id VARCHAR(64) NOT NULL, 
	evaluation_id VARCHAR(64) NOT NULL, 
	dataset_id VARCHAR(64) NOT NULL, 
	base_model TEXT NOT NULL, 
	folder TEXT NOT NULL, 
	adapter_sha256 VARCHAR(64) NOT NULL, 
	prompt_sha256 VARCHAR(64) NOT NULL, 
	decoder_sha256 VARCHAR(64) NOT NULL, 
	job_id VARCHAR(64) NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	created_at VARCHAR(40) NOT NULL, 
	language VARCHAR(35) NOT NULL, 
	consent_id VARCHAR(200) NOT NULL, owner VARCHAR(200) DEFAULT '' NOT NULL, tags JSON DEFAULT '[]' NOT NULL, description TEXT DEFAULT '' NOT NULL, consent_cosine FLOAT, revoked_at VARCHAR(40) DEFAULT '' NOT NULL, 
	CONSTRAINT pk_voices PRIMARY KEY (slug, version), 
	CONSTRAINT fk_voices_dataset_id_datasets FOREIGN KEY(dataset_id) REFERENCES datasets (id), 
	CONSTRAINT fk_voices_evaluation_id_evaluations FOREIGN KEY(evaluation_id) REFERENCES evaluations (id), 
	CONSTRAINT fk_voices_run_id_runs FOREIGN KEY(run_id) REFERENCES runs (id), 
	CONSTRAINT ck_voices_state CHECK (state IN ('draft', 'published', 'revoked'))
);

CREATE TABLE workers (
	id VARCHAR(64) NOT NULL, 
	host VARCHAR(255) NOT NULL, 
	pid BIGINT NOT NULL, 
	queue VARCHAR(40) NOT NULL, 
	seen_at VARCHAR(40) NOT NULL, 
	CONSTRAINT pk_workers PRIMARY KEY (id)
);

CREATE INDEX ix_clips_recording_id ON clips (recording_id);

CREATE INDEX ix_consents_owner ON consents (owner);

CREATE INDEX ix_evaluations_run_id ON evaluations (run_id);

CREATE INDEX ix_jobs_name ON jobs (name);

CREATE INDEX ix_jobs_owner ON jobs (owner);

CREATE UNIQUE INDEX ix_jobs_sequence ON jobs (sequence);

CREATE INDEX ix_jobs_state ON jobs (state);

CREATE INDEX ix_runs_dataset_id ON runs (dataset_id);

CREATE INDEX ix_uploads_owner ON uploads (owner);

CREATE INDEX ix_voices_job_id ON voices (job_id);
