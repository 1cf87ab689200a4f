"""Version 1 of the results file, as SQL; docs/results.md explains it to people who query it.

Invariant: ``results.record`` is the truth about a result; actors, claims, stances, evidence and warnings repeat parts
of it in columns. Full-text entries go with their rows by triggers, but for new claims: those are entered by one
statement for many documents (:mod:`summarise.journal.storing`), at half the cost.

Plain SQL of SQLite 3.35 (JSON and FTS5 included), so that older Pythons can read the file too.
"""

from __future__ import annotations

from typing import get_args

from summarise.journal.rows import Cause, Outcome

_CAUSES = ", ".join(f"'{cause}'" for cause in get_args(Cause))
_OUTCOMES = ", ".join(f"'{outcome}'" for outcome in get_args(Outcome))
_TOKENIZER = "porter unicode61 remove_diacritics 2"

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """INSERT INTO meta VALUES ('contents', 'results of summarise'), ('record_schema', 'news/1'),
        ('offsets', 'code points of the text as read, half-open'), ('times', 'UTC, ISO 8601'),
        ('sources', 'names that are not valid Unicode stand as bytes: and %XX for each such byte')""",
    f"""CREATE TABLE runs (
        run_id INTEGER PRIMARY KEY AUTOINCREMENT,
        command TEXT NOT NULL,
        model TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        strategy TEXT NOT NULL,
        recipe_sha256 TEXT NOT NULL,
        settings TEXT NOT NULL,
        summarise_version TEXT NOT NULL,
        pid INTEGER NOT NULL,
        host TEXT NOT NULL,
        started TEXT NOT NULL,
        finished TEXT,
        seconds REAL,
        outcome TEXT CHECK (outcome IN ({_OUTCOMES})),
        reason TEXT,
        reused INTEGER,
        estimated_documents INTEGER,
        estimated_prompt_tokens INTEGER,
        estimated_completion_tokens INTEGER,
        estimated_cost_usd REAL,
        estimated_seconds REAL
    )""",
    """CREATE TABLE results (
        result_id INTEGER PRIMARY KEY AUTOINCREMENT,
        work_key TEXT NOT NULL UNIQUE,
        content_sha256 TEXT NOT NULL,
        run_id INTEGER NOT NULL REFERENCES runs (run_id),
        title TEXT,
        abstract TEXT NOT NULL,
        language TEXT,
        chars INTEGER NOT NULL,
        sentences INTEGER NOT NULL,
        actors INTEGER NOT NULL,
        claims INTEGER NOT NULL,
        stances INTEGER NOT NULL,
        warnings INTEGER NOT NULL,
        model TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        strategy TEXT NOT NULL,
        recipe_sha256 TEXT NOT NULL,
        record TEXT NOT NULL
    )""",
    f"""CREATE TABLE documents (
        document_id INTEGER PRIMARY KEY AUTOINCREMENT,
        source TEXT NOT NULL UNIQUE,
        content_sha256 TEXT,
        state TEXT NOT NULL CHECK (state IN ('done', 'failed')),
        cause TEXT CHECK (cause IN ({_CAUSES})),
        message TEXT,
        work_key TEXT,
        result_id INTEGER REFERENCES results (result_id) DEFERRABLE INITIALLY DEFERRED,
        run_id INTEGER NOT NULL REFERENCES runs (run_id),
        CHECK ((state = 'failed') = (cause IS NOT NULL)),
        CHECK (state = 'failed' OR result_id IS NOT NULL)
    )""",
    "CREATE INDEX documents_result ON documents (result_id)",
    "CREATE INDEX documents_content ON documents (content_sha256)",
    "CREATE INDEX documents_failed ON documents (cause) WHERE state = 'failed'",
    f"""CREATE TABLE attempts (
        attempt_id INTEGER PRIMARY KEY AUTOINCREMENT,
        document_id INTEGER NOT NULL REFERENCES documents (document_id),
        run_id INTEGER NOT NULL REFERENCES runs (run_id),
        work_key TEXT,
        result_id INTEGER,
        started TEXT NOT NULL,
        seconds REAL NOT NULL,
        cause TEXT CHECK (cause IN ({_CAUSES})),
        message TEXT,
        requests INTEGER NOT NULL,
        reasks INTEGER NOT NULL,
        retries INTEGER NOT NULL,
        prompt_tokens INTEGER NOT NULL,
        completion_tokens INTEGER NOT NULL,
        cached_tokens INTEGER,
        cost_usd REAL
    )""",
    "CREATE INDEX attempts_document ON attempts (document_id)",
    """CREATE TABLE actors (
        result_id INTEGER NOT NULL REFERENCES results (result_id),
        position INTEGER NOT NULL,
        actor TEXT NOT NULL,
        name TEXT NOT NULL,
        kind TEXT NOT NULL,
        role TEXT,
        aliases TEXT NOT NULL,
        mentions TEXT NOT NULL,
        mention_count INTEGER NOT NULL,
        PRIMARY KEY (result_id, position)
    ) WITHOUT ROWID""",
    """CREATE TABLE claims (
        claim_id INTEGER PRIMARY KEY,
        result_id INTEGER NOT NULL REFERENCES results (result_id),
        position INTEGER NOT NULL,
        claim TEXT NOT NULL,
        claimant TEXT NOT NULL,
        claimant_actor TEXT,
        attribution TEXT NOT NULL,
        polarity TEXT NOT NULL,
        text TEXT NOT NULL,
        quote TEXT,
        start INTEGER,
        "end" INTEGER,
        grounding TEXT,
        further_quotes TEXT,
        confidence REAL
    )""",
    "CREATE UNIQUE INDEX claims_result ON claims (result_id, position)",
    """CREATE TABLE stances (
        result_id INTEGER NOT NULL REFERENCES results (result_id),
        position INTEGER NOT NULL,
        stance TEXT NOT NULL,
        holder TEXT NOT NULL,
        holder_actor TEXT,
        target TEXT NOT NULL,
        target_actor TEXT,
        label TEXT NOT NULL,
        quote TEXT,
        start INTEGER,
        "end" INTEGER,
        grounding TEXT,
        confidence REAL,
        PRIMARY KEY (result_id, position)
    ) WITHOUT ROWID""",
    """CREATE TABLE evidence (
        result_id INTEGER NOT NULL REFERENCES results (result_id),
        kind TEXT NOT NULL CHECK (kind IN ('claim', 'stance')),
        item_position INTEGER NOT NULL,
        position INTEGER NOT NULL,
        item TEXT NOT NULL,
        quote TEXT NOT NULL,
        start INTEGER,
        "end" INTEGER,
        sentence_start INTEGER,
        sentence_end INTEGER,
        cue_start INTEGER,
        cue_end INTEGER,
        grounding TEXT NOT NULL,
        PRIMARY KEY (result_id, kind, item_position, position)
    ) WITHOUT ROWID""",
    """CREATE TABLE warnings (
        result_id INTEGER NOT NULL REFERENCES results (result_id),
        position INTEGER NOT NULL,
        code TEXT NOT NULL,
        message TEXT NOT NULL,
        PRIMARY KEY (result_id, position)
    ) WITHOUT ROWID""",
    """CREATE TABLE answers (
        work_key TEXT NOT NULL,
        request_sha256 TEXT NOT NULL,
        completion TEXT NOT NULL,
        PRIMARY KEY (work_key, request_sha256)
    ) WITHOUT ROWID""",
    """CREATE TABLE batches (
        batch_id INTEGER PRIMARY KEY AUTOINCREMENT,
        provider_batch_id TEXT NOT NULL UNIQUE,
        run_id INTEGER NOT NULL REFERENCES runs (run_id),
        state TEXT NOT NULL,
        created TEXT NOT NULL,
        request_count INTEGER NOT NULL,
        input_file_id TEXT,
        output_file_id TEXT,
        error_file_id TEXT,
        round INTEGER NOT NULL,
        note TEXT
    )""",
    """CREATE TABLE batch_items (
        batch_id INTEGER NOT NULL REFERENCES batches (batch_id),
        custom_id TEXT NOT NULL,
        source TEXT NOT NULL,
        work_key TEXT NOT NULL,
        request_sha256 TEXT NOT NULL,
        state TEXT NOT NULL,
        PRIMARY KEY (batch_id, custom_id)
    ) WITHOUT ROWID""",
    f"""CREATE VIRTUAL TABLE claims_fts USING fts5 (
        text, quote, further_quotes, content='claims', content_rowid='claim_id', tokenize='{_TOKENIZER}'
    )""",
    f"""CREATE VIRTUAL TABLE results_fts USING fts5 (
        title, abstract, content='results', content_rowid='result_id', tokenize='{_TOKENIZER}'
    )""",
)


TRIGGERS = (
    """CREATE TRIGGER results_insert AFTER INSERT ON results BEGIN
        INSERT INTO results_fts (rowid, title, abstract) VALUES (new.result_id, new.title, new.abstract);
    END""",
    """CREATE TRIGGER claims_delete AFTER DELETE ON claims BEGIN
        INSERT INTO claims_fts (claims_fts, rowid, text, quote, further_quotes)
            VALUES ('delete', old.claim_id, old.text, old.quote, old.further_quotes);
    END""",
    """CREATE TRIGGER results_delete BEFORE DELETE ON results BEGIN
        INSERT INTO results_fts (results_fts, rowid, title, abstract)
            VALUES ('delete', old.result_id, old.title, old.abstract);
        DELETE FROM actors WHERE result_id = old.result_id;
        DELETE FROM claims WHERE result_id = old.result_id;
        DELETE FROM stances WHERE result_id = old.result_id;
        DELETE FROM evidence WHERE result_id = old.result_id;
        DELETE FROM warnings WHERE result_id = old.result_id;
    END""",
)

VIEWS = (
    """CREATE VIEW documents_view AS
        SELECT d.source, d.state, d.cause, d.message, r.title, r.abstract, r.language, r.chars, r.sentences,
            r.actors, r.claims, r.stances, r.warnings,
            d.state = 'failed' AND d.result_id IS NOT NULL AS older_result,
            (SELECT count(*) FROM attempts AS a WHERE a.document_id = d.document_id) AS attempts,
            (SELECT coalesce(sum(a.prompt_tokens), 0) FROM attempts AS a
                WHERE a.document_id = d.document_id) AS prompt_tokens,
            (SELECT coalesce(sum(a.completion_tokens), 0) FROM attempts AS a
                WHERE a.document_id = d.document_id) AS completion_tokens,
            (SELECT CASE WHEN count(*) = count(a.cost_usd) THEN total(a.cost_usd) END FROM attempts AS a
                WHERE a.document_id = d.document_id) AS cost_usd,
            (SELECT total(a.seconds) FROM attempts AS a WHERE a.document_id = d.document_id) AS seconds,
            r.model, r.strategy, d.content_sha256, d.document_id, d.result_id, d.run_id
        FROM documents AS d LEFT JOIN results AS r ON r.result_id = d.result_id""",
    """CREATE VIEW claims_view AS
        SELECT d.source, c.claim, c.claimant, c.claimant_actor, c.attribution, c.polarity, c.text, c.quote,
            c.start, c."end", c.grounding, c.further_quotes, c.confidence, c.position, d.document_id, c.claim_id
        FROM documents AS d JOIN claims AS c ON c.result_id = d.result_id""",
    """CREATE VIEW stances_view AS
        SELECT d.source, s.stance, s.holder, s.holder_actor, s.target, s.target_actor, s.label, s.quote,
            s.start, s."end", s.grounding, s.confidence, s.position, d.document_id
        FROM documents AS d JOIN stances AS s ON s.result_id = d.result_id""",
    """CREATE VIEW actors_view AS
        SELECT d.source, a.actor, a.name, a.kind, a.role, a.aliases, a.mention_count, a.mentions, a.position,
            d.document_id
        FROM documents AS d JOIN actors AS a ON a.result_id = d.result_id""",
    """CREATE VIEW evidence_view AS
        SELECT d.source, e.kind, e.item, e.position, e.quote, e.start, e."end", e.sentence_start, e.sentence_end,
            e.cue_start, e.cue_end, e.grounding, e.item_position, d.document_id
        FROM documents AS d JOIN evidence AS e ON e.result_id = d.result_id""",
    """CREATE VIEW warnings_view AS
        SELECT d.source, w.code, w.message, w.position, d.document_id
        FROM documents AS d JOIN warnings AS w ON w.result_id = d.result_id""",
    """CREATE VIEW attempts_view AS
        SELECT d.source, a.attempt_id, a.run_id, a.started, a.seconds, a.cause, a.message, a.requests, a.reasks,
            a.retries, a.prompt_tokens, a.completion_tokens, a.cached_tokens, a.cost_usd, a.document_id, a.result_id
        FROM documents AS d JOIN attempts AS a ON a.document_id = d.document_id""",
    """CREATE VIEW failures_view AS
        SELECT d.source, d.cause, d.message, d.result_id IS NOT NULL AS older_result,
            (SELECT count(*) FROM attempts AS a WHERE a.document_id = d.document_id) AS attempts,
            (SELECT max(a.attempt_id) FROM attempts AS a WHERE a.document_id = d.document_id) AS attempt_id,
            d.run_id, d.document_id
        FROM documents AS d WHERE d.state = 'failed'""",
    """CREATE VIEW records_view AS
        SELECT d.source, json_set(r.record, '$.document.source', d.source) AS record, d.document_id
        FROM documents AS d JOIN results AS r ON r.result_id = d.result_id""",
    """CREATE VIEW runs_view AS
        SELECT r.run_id, r.started, r.finished, r.seconds, r.outcome, r.reason, r.model, r.endpoint, r.strategy,
            count(a.attempt_id) FILTER (WHERE a.cause IS NULL) AS done,
            count(a.attempt_id) FILTER (WHERE a.cause IS NOT NULL) AS failed,
            r.reused,
            coalesce(sum(a.prompt_tokens), 0) AS prompt_tokens, r.estimated_prompt_tokens,
            coalesce(sum(a.completion_tokens), 0) AS completion_tokens, r.estimated_completion_tokens,
            sum(a.cached_tokens) AS cached_tokens,
            sum(a.cost_usd) AS cost_usd, r.estimated_cost_usd,
            count(a.attempt_id) FILTER (WHERE a.cost_usd IS NULL AND a.requests + a.retries > 0) AS cost_unknown,
            r.estimated_documents, r.estimated_seconds, r.command, r.recipe_sha256, r.settings,
            r.summarise_version, r.pid, r.host
        FROM runs AS r LEFT JOIN attempts AS a ON a.run_id = r.run_id GROUP BY r.run_id""",
)

VERSION_1 = (*TABLES, *TRIGGERS, *VIEWS)
