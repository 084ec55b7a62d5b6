-- Servers that come and go: what is wanted of them, which there are, and which job had which.

-- CreateTable
CREATE TABLE "application" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "owner_id" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "document" TEXT NOT NULL,
    "created" DATETIME NOT NULL,
    "updated" DATETIME NOT NULL,
    CONSTRAINT "application_owner_id_fkey" FOREIGN KEY ("owner_id") REFERENCES "user" ("id") ON DELETE RESTRICT ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "server" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "name" TEXT NOT NULL,
    "application" TEXT NOT NULL,
    "revision" INTEGER NOT NULL,
    "connector" TEXT NOT NULL,
    "order" TEXT NOT NULL,
    "cloud_id" TEXT,
    "state" TEXT NOT NULL,
    "reach" TEXT,
    "uses" INTEGER NOT NULL DEFAULT 0,
    "reason" TEXT,
    "missing" INTEGER NOT NULL DEFAULT 0,
    "created" DATETIME NOT NULL,
    "updated" DATETIME NOT NULL,
    "booted" DATETIME,
    "idle_since" DATETIME,
    "deleted" DATETIME
);

-- CreateTable
CREATE TABLE "server_use" (
    "id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    "server_id" INTEGER NOT NULL,
    "job_id" INTEGER NOT NULL,
    "attempt" INTEGER NOT NULL,
    "started" DATETIME NOT NULL,
    "ended" DATETIME,
    CONSTRAINT "server_use_server_id_fkey" FOREIGN KEY ("server_id") REFERENCES "server" ("id") ON DELETE CASCADE ON UPDATE CASCADE,
    CONSTRAINT "server_use_job_id_fkey" FOREIGN KEY ("job_id") REFERENCES "job" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);

-- CreateTable
CREATE TABLE "host_key" (
    "host" TEXT NOT NULL PRIMARY KEY,
    "fingerprint" TEXT NOT NULL,
    "created" DATETIME NOT NULL
);

-- A job that came by the scheduler's protocol.
ALTER TABLE "job" ADD COLUMN "task" TEXT;

-- CreateIndex
CREATE UNIQUE INDEX "application_name_key" ON "application"("name");

-- CreateIndex
CREATE INDEX "application_owner_id_id_idx" ON "application"("owner_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "server_name_key" ON "server"("name");

-- CreateIndex
CREATE INDEX "server_state_id_idx" ON "server"("state", "id");

-- CreateIndex
CREATE INDEX "server_application_id_idx" ON "server"("application", "id");

-- CreateIndex
CREATE INDEX "server_use_server_id_id_idx" ON "server_use"("server_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "server_use_job_id_attempt_key" ON "server_use"("job_id", "attempt");
