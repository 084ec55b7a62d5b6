-- Adapters beyond files, services, streams, operations and pipelines.

-- CreateTable
CREATE TABLE "stream" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "owner_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "durable" BOOLEAN NOT NULL,
    "max_messages" INTEGER NOT NULL,
    "description" TEXT,
    "created" DATETIME NOT NULL,
    "updated" DATETIME NOT NULL,
    CONSTRAINT "stream_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "operation" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "owner_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "process_definition_id" INTEGER NOT NULL,
    "input_stream" TEXT NOT NULL,
    "output_stream" TEXT,
    "active" BOOLEAN NOT NULL,
    "document" TEXT NOT NULL,
    "created" DATETIME NOT NULL,
    "updated" DATETIME NOT NULL,
    CONSTRAINT "operation_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user" ("id") ON DELETE RESTRICT ON UPDATE CASCADE,
    CONSTRAINT "operation_process_definition_id_fkey" FOREIGN KEY ("process_definition_id") REFERENCES "process_definition" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- A job that is a step of another, serves an operation, or is a service. Adding columns, however many jobs there are,
-- takes no time; making the table anew would.
ALTER TABLE "job" ADD COLUMN "parent_id" INTEGER REFERENCES "job" ("id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "job" ADD COLUMN "step" TEXT;
ALTER TABLE "job" ADD COLUMN "item" INTEGER;
ALTER TABLE "job" ADD COLUMN "operation_id" INTEGER;
ALTER TABLE "job" ADD COLUMN "plan" TEXT;
ALTER TABLE "job" ADD COLUMN "service" TEXT;

CREATE INDEX "job_parent_id_id_idx" ON "job"("parent_id", "id");
CREATE INDEX "job_operation_id_id_idx" ON "job"("operation_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "stream_name_key" ON "stream"("name");

-- CreateIndex
CREATE INDEX "stream_owner_id_id_idx" ON "stream"("owner_id", "id");

-- CreateIndex
CREATE INDEX "operation_input_stream_idx" ON "operation"("input_stream");

-- CreateIndex
CREATE INDEX "operation_process_definition_id_idx" ON "operation"("process_definition_id");

-- CreateIndex
CREATE UNIQUE INDEX "operation_owner_id_name_key" ON "operation"("owner_id", "name");
