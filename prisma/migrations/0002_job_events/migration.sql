-- CreateTable
CREATE TABLE "pipeline" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "uuid" TEXT NOT NULL,
    "owner_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "document" TEXT NOT NULL,
    "created" DATETIME NOT NULL,
    "updated" DATETIME NOT NULL,
    CONSTRAINT "pipeline_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "nonce" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "owner_id" INTEGER NOT NULL,
    "actor" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "level" TEXT NOT NULL,
    "max_uses" INTEGER NOT NULL,
    "current_uses" INTEGER NOT NULL DEFAULT 0,
    "description" TEXT NOT NULL,
    "job_id" INTEGER,
    "created" DATETIME NOT NULL,
    "expires" DATETIME,
    "last_use" DATETIME,
    CONSTRAINT "nonce_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "nonce_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "subscription" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "owner_id" INTEGER,
    "job_id" INTEGER,
    "pipeline_id" INTEGER,
    "everyones" BOOLEAN NOT NULL DEFAULT false,
    "url" TEXT NOT NULL,
    "events" TEXT,
    "format" TEXT NOT NULL,
    "active" BOOLEAN NOT NULL DEFAULT true,
    "created" DATETIME NOT NULL,
    "updated" DATETIME NOT NULL,
    CONSTRAINT "subscription_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "subscription_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "subscription_pipeline_id_fkey" FOREIGN KEY ("pipeline_id") REFERENCES "pipeline" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "delivery" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "subscription_id" INTEGER NOT NULL,
    "job_id" INTEGER NOT NULL,
    "event_id" INTEGER NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'pending',
    "attempts" INTEGER NOT NULL DEFAULT 0,
    "not_before" DATETIME,
    "status" INTEGER,
    "error" TEXT,
    "created" DATETIME NOT NULL,
    "replayed" DATETIME,
    "updated" DATETIME NOT NULL,
    CONSTRAINT "delivery_subscription_id_fkey" FOREIGN KEY ("subscription_id") REFERENCES "subscription" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "delivery_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "delivery_event_id_fkey" FOREIGN KEY ("event_id") REFERENCES "job_event" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- A column is added in place: making the table anew would take minutes where there are many jobs, and its triggers.
ALTER TABLE "job" ADD COLUMN "pipeline_id" INTEGER
    CONSTRAINT "job_pipeline_id_fkey" REFERENCES "pipeline" ("id") ON DELETE RESTRICT ON UPDATE CASCADE;
ALTER TABLE "job" ADD COLUMN "token_hash" TEXT;
ALTER TABLE "job" ADD COLUMN "session" TEXT;
ALTER TABLE "job" ADD COLUMN "archive_system" TEXT;
ALTER TABLE "job" ADD COLUMN "archive_path" TEXT;
ALTER TABLE "job" ADD COLUMN "data" TEXT;
ALTER TABLE "job" ADD COLUMN "links" TEXT;
ALTER TABLE "job" ADD COLUMN "hidden" BOOLEAN NOT NULL DEFAULT false;

-- CreateIndex
CREATE INDEX "job_pipeline_id_id_idx" ON "job"("pipeline_id", "id");

-- CreateIndex
CREATE INDEX "job_session_id_idx" ON "job"("session", "id");

-- CreateIndex
CREATE INDEX "job_archive_path_idx" ON "job"("archive_path");

-- CreateIndex
CREATE UNIQUE INDEX "pipeline_uuid_key" ON "pipeline"("uuid");

-- CreateIndex
CREATE INDEX "pipeline_owner_id_id_idx" ON "pipeline"("owner_id", "id");

-- CreateIndex
CREATE INDEX "pipeline_name_idx" ON "pipeline"("name");

-- CreateIndex
CREATE UNIQUE INDEX "nonce_name_key" ON "nonce"("name");

-- CreateIndex
CREATE UNIQUE INDEX "nonce_hash_key" ON "nonce"("hash");

-- CreateIndex
CREATE INDEX "nonce_actor_id_idx" ON "nonce"("actor", "id");

-- CreateIndex
CREATE INDEX "nonce_owner_id_id_idx" ON "nonce"("owner_id", "id");

-- CreateIndex
CREATE INDEX "nonce_job_id_idx" ON "nonce"("job_id");

-- CreateIndex
CREATE INDEX "subscription_owner_id_id_idx" ON "subscription"("owner_id", "id");

-- CreateIndex
CREATE INDEX "subscription_job_id_everyones_owner_id_idx" ON "subscription"("job_id", "everyones", "owner_id");

-- CreateIndex
CREATE INDEX "subscription_pipeline_id_idx" ON "subscription"("pipeline_id");

-- CreateIndex
CREATE INDEX "delivery_state_id_idx" ON "delivery"("state", "id");

-- CreateIndex
CREATE INDEX "delivery_subscription_id_state_id_idx" ON "delivery"("subscription_id", "state", "id");

-- CreateIndex
CREATE INDEX "delivery_job_id_state_id_idx" ON "delivery"("job_id", "state", "id");

-- CreateIndex
CREATE INDEX "delivery_event_id_idx" ON "delivery"("event_id");

-- CreateIndex
CREATE INDEX "delivery_created_idx" ON "delivery"("created");

-- Lists leave hidden jobs out, so their totals do.
DROP TRIGGER "job_count_insert";
DROP TRIGGER "job_count_delete";
DROP TRIGGER "job_count_update";

CREATE TRIGGER "job_count_insert" AFTER INSERT ON "job" WHEN NOT NEW."hidden" BEGIN
    INSERT INTO "job_count" VALUES (NEW."owner_id", NEW."state", COALESCE(NEW."process_definition_id", 0), 1)
    ON CONFLICT DO UPDATE SET "count" = "count" + 1;
END;

CREATE TRIGGER "job_count_delete" AFTER DELETE ON "job" WHEN NOT OLD."hidden" BEGIN
    UPDATE "job_count" SET "count" = "count" - 1
    WHERE "owner_id" = OLD."owner_id" AND "state" = OLD."state"
      AND "process_definition_id" = COALESCE(OLD."process_definition_id", 0);
END;

CREATE TRIGGER "job_count_update" AFTER UPDATE OF "state", "hidden" ON "job"
WHEN OLD."state" <> NEW."state" OR OLD."hidden" <> NEW."hidden" BEGIN
    UPDATE "job_count" SET "count" = "count" - (1 - OLD."hidden")
    WHERE "owner_id" = OLD."owner_id" AND "state" = OLD."state"
      AND "process_definition_id" = COALESCE(OLD."process_definition_id", 0);
    INSERT INTO "job_count"
    VALUES (NEW."owner_id", NEW."state", COALESCE(NEW."process_definition_id", 0), 1 - NEW."hidden")
    ON CONFLICT DO UPDATE SET "count" = "count" + excluded."count";
END;

-- The outbox: whoever subscribed to an event is owed a delivery from the moment that the event is stored. Each kind of
-- subscription is found by an index, to one job, to all of a user's, to everybody's: an event costs nothing where it is
-- only other users who have many.
CREATE TRIGGER "job_event_outbox" AFTER INSERT ON "job_event" BEGIN
    INSERT INTO "delivery" ("subscription_id", "job_id", "event_id", "created", "updated")
    SELECT s."id", NEW."job_id", NEW."id", NEW."date", NEW."date"
    FROM "subscription" AS s
    WHERE s."job_id" = NEW."job_id" AND s."active"
      AND (s."events" IS NULL OR EXISTS (SELECT 1 FROM json_each(s."events") WHERE "value" = NEW."name"));

    INSERT INTO "delivery" ("subscription_id", "job_id", "event_id", "created", "updated")
    SELECT s."id", NEW."job_id", NEW."id", NEW."date", NEW."date"
    FROM "job" AS j CROSS JOIN "subscription" AS s
    WHERE j."id" = NEW."job_id" AND s."job_id" IS NULL AND s."everyones" = 0 AND s."owner_id" = j."owner_id"
      AND s."active" AND (s."pipeline_id" IS NULL OR s."pipeline_id" = j."pipeline_id")
      AND (s."events" IS NULL OR EXISTS (SELECT 1 FROM json_each(s."events") WHERE "value" = NEW."name"));

    INSERT INTO "delivery" ("subscription_id", "job_id", "event_id", "created", "updated")
    SELECT s."id", NEW."job_id", NEW."id", NEW."date", NEW."date"
    FROM "job" AS j CROSS JOIN "subscription" AS s
    WHERE j."id" = NEW."job_id" AND s."job_id" IS NULL AND s."everyones" = 1
      AND s."active" AND (s."pipeline_id" IS NULL OR s."pipeline_id" = j."pipeline_id")
      AND (s."events" IS NULL OR EXISTS (SELECT 1 FROM json_each(s."events") WHERE "value" = NEW."name"));
END;
