-- CreateTable
CREATE TABLE "user" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "username" TEXT NOT NULL,
    "role" TEXT NOT NULL DEFAULT 'user',
    "active" BOOLEAN NOT NULL DEFAULT true,
    "password_hash" TEXT NOT NULL,
    "created" DATETIME NOT NULL,
    "updated" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "token" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "owner_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "created" DATETIME NOT NULL,
    "expires" DATETIME,
    CONSTRAINT "token_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "process_definition" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "owner_id" INTEGER NOT NULL,
    "name" TEXT,
    "revision" INTEGER NOT NULL,
    "definition" TEXT NOT NULL,
    "exec" TEXT NOT NULL,
    "process_type" TEXT NOT NULL,
    "application" TEXT,
    "created" DATETIME NOT NULL,
    "updated" DATETIME NOT NULL,
    CONSTRAINT "process_definition_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "definition_revision" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "process_definition_id" INTEGER NOT NULL,
    "revision" INTEGER NOT NULL,
    "definition" TEXT NOT NULL,
    "created" DATETIME NOT NULL
);

-- CreateTable
CREATE TABLE "job" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "uuid" TEXT NOT NULL,
    "owner_id" INTEGER NOT NULL,
    "process_definition_id" INTEGER,
    "definition_revision_id" INTEGER,
    "executor" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 0,
    "last_event" TEXT NOT NULL,
    "last_event_uuid" TEXT NOT NULL,
    "priority" INTEGER NOT NULL DEFAULT 0,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "program_failures" INTEGER NOT NULL DEFAULT 0,
    "platform_failures" INTEGER NOT NULL DEFAULT 0,
    "request" TEXT NOT NULL,
    "handle" TEXT,
    "outcome" TEXT,
    "cause" TEXT,
    "exit_code" INTEGER,
    "waiting" TEXT,
    "input_name" TEXT,
    "input_size" BIGINT,
    "output_name" TEXT,
    "output_size" BIGINT,
    "output_path" TEXT,
    "created" DATETIME NOT NULL,
    "updated" DATETIME NOT NULL,
    "not_before" DATETIME,
    "started" DATETIME,
    "ended" DATETIME,
    "cleared" DATETIME,
    CONSTRAINT "job_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "job_definition_revision_id_fkey" FOREIGN KEY ("definition_revision_id") REFERENCES "definition_revision" ("id") ON DELETE SET NULL ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "job_event" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "uuid" TEXT NOT NULL,
    "job_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "date" DATETIME NOT NULL,
    "data" TEXT,
    CONSTRAINT "job_event_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "idempotency_key" (
    "owner_id" INTEGER NOT NULL,
    "key" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "job_id" INTEGER NOT NULL,
    "created" DATETIME NOT NULL,

    PRIMARY KEY ("owner_id", "key"),
    CONSTRAINT "idempotency_key_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "setting" (
    "key" TEXT NOT NULL PRIMARY KEY,
    "value" TEXT NOT NULL
);

-- CreateIndex
CREATE UNIQUE INDEX "user_username_key" ON "user"("username");

-- CreateIndex
CREATE UNIQUE INDEX "token_hash_key" ON "token"("hash");

-- CreateIndex
CREATE INDEX "token_owner_id_id_idx" ON "token"("owner_id", "id");

-- CreateIndex
CREATE INDEX "process_definition_owner_id_id_idx" ON "process_definition"("owner_id", "id");

-- CreateIndex
CREATE INDEX "process_definition_owner_id_name_idx" ON "process_definition"("owner_id", "name");

-- CreateIndex
CREATE INDEX "process_definition_name_idx" ON "process_definition"("name");

-- CreateIndex
CREATE INDEX "process_definition_exec_idx" ON "process_definition"("exec");

-- CreateIndex
CREATE UNIQUE INDEX "definition_revision_process_definition_id_revision_id_key" ON "definition_revision"("process_definition_id", "revision", "id");

-- CreateIndex
CREATE UNIQUE INDEX "job_uuid_key" ON "job"("uuid");

-- CreateIndex
CREATE INDEX "job_owner_id_id_idx" ON "job"("owner_id", "id");

-- CreateIndex
CREATE INDEX "job_owner_id_state_id_idx" ON "job"("owner_id", "state", "id");

-- CreateIndex
CREATE INDEX "job_state_id_idx" ON "job"("state", "id");

-- CreateIndex
CREATE INDEX "job_process_definition_id_id_idx" ON "job"("process_definition_id", "id");

-- CreateIndex
CREATE INDEX "job_created_idx" ON "job"("created");

-- CreateIndex
CREATE INDEX "job_ended_idx" ON "job"("ended");

-- CreateIndex
CREATE INDEX "job_event_job_id_id_idx" ON "job_event"("job_id", "id");

-- CreateIndex
CREATE INDEX "idempotency_key_job_id_idx" ON "idempotency_key"("job_id");

-- CreateIndex
CREATE INDEX "idempotency_key_created_idx" ON "idempotency_key"("created");


-- How many jobs there are by owner, state and definition, kept by triggers: the exact total of a list page must
-- not cost a walk over a million rows. process_definition_id is 0 for a job without one.
CREATE TABLE "job_count" (
    "owner_id" INTEGER NOT NULL,
    "state" TEXT NOT NULL,
    "process_definition_id" INTEGER NOT NULL,
    "count" INTEGER NOT NULL,
    PRIMARY KEY ("owner_id", "state", "process_definition_id")
) WITHOUT ROWID;

CREATE TRIGGER "job_count_insert" AFTER INSERT ON "job" BEGIN
    INSERT INTO "job_count" VALUES (NEW."owner_id", NEW."state", COALESCE(NEW."process_definition_id", 0), 1)
    ON CONFLICT DO UPDATE SET "count" = "count" + 1;
END;

CREATE TRIGGER "job_count_delete" AFTER DELETE ON "job" BEGIN
    UPDATE "job_count" SET "count" = "count" - 1
    WHERE "owner_id" = OLD."owner_id" AND "state" = OLD."state"
      AND "process_definition_id" = COALESCE(OLD."process_definition_id", 0);
END;

CREATE TRIGGER "job_count_update" AFTER UPDATE OF "state" ON "job" WHEN OLD."state" <> NEW."state" BEGIN
    UPDATE "job_count" SET "count" = "count" - 1
    WHERE "owner_id" = OLD."owner_id" AND "state" = OLD."state"
      AND "process_definition_id" = COALESCE(OLD."process_definition_id", 0);
    INSERT INTO "job_count" VALUES (NEW."owner_id", NEW."state", COALESCE(NEW."process_definition_id", 0), 1)
    ON CONFLICT DO UPDATE SET "count" = "count" + 1;
END;

-- Every definition that ever stood is kept, in the same transaction: what a job ran can always be told.
CREATE TRIGGER "process_definition_insert" AFTER INSERT ON "process_definition" BEGIN
    INSERT INTO "definition_revision" ("process_definition_id", "revision", "definition", "created")
    VALUES (NEW."id", NEW."revision", NEW."definition", NEW."updated");
END;

CREATE TRIGGER "process_definition_update" AFTER UPDATE ON "process_definition"
WHEN OLD."revision" <> NEW."revision" BEGIN
    INSERT INTO "definition_revision" ("process_definition_id", "revision", "definition", "created")
    VALUES (NEW."id", NEW."revision", NEW."definition", NEW."updated");
END;
