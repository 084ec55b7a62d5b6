/**
 * The outbox's hot path: many deliveries a second go through it. Column names are those of `prisma/schema.prisma`;
 * their aliases are those of `deliveries.ts`.
 */

const pendingColumns = `d."id", d."subscription_id" AS "subscriptionId", d."job_id" AS "jobId",
  s."owner_id" AS "ownerId", s."url", s."active", d."attempts", d."status", d."not_before" AS "notBefore",
  COALESCE(d."replayed", d."created") AS "since"`;

export const pendingSql = `SELECT ${pendingColumns}
FROM "delivery" AS d CROSS JOIN "subscription" AS s ON s."id" = d."subscription_id"
WHERE d."state" = 'pending' AND d."id" > ? ORDER BY d."id" LIMIT ?`;

export const sequenceSql = `SELECT ${pendingColumns}
FROM "delivery" AS d INDEXED BY "delivery_job_id_state_id_idx" CROSS JOIN "subscription" AS s ON s."id" = d."subscription_id"
WHERE d."state" = 'pending' AND d."subscription_id" = ? AND d."job_id" = ? ORDER BY d."id" LIMIT ?`;

export const attemptSql = `SELECT d."state", s."url", s."format", s."active", s."everyones", s."owner_id" AS "ownerId",
  o."active" AS "ownerActive", o."role" AS "ownerRole", e."uuid" AS "eventUuid", e."name" AS "eventName",
  e."state" AS "eventState", e."revision", e."date", e."data", j."uuid" AS "jobUuid", j."owner_id" AS "jobOwnerId",
  u."username" AS "jobOwner", j."session", j."process_definition_id" AS "processDefinitionId",
  j."archive_path" AS "archivePath", j."created" AS "jobCreated", p."uuid" AS "pipelineUuid"
FROM "delivery" AS d
JOIN "subscription" AS s ON s."id" = d."subscription_id"
JOIN "job_event" AS e ON e."id" = d."event_id"
JOIN "job" AS j ON j."id" = d."job_id"
JOIN "user" AS u ON u."id" = j."owner_id"
LEFT JOIN "user" AS o ON o."id" = s."owner_id"
LEFT JOIN "pipeline" AS p ON p."id" = j."pipeline_id"
WHERE d."id" = ?`;

/** Only pending rows: a replay that came in between is not undone. */
export const settleSql = `UPDATE "delivery" SET "state" = t."state", "attempts" = t."attempts",
  "not_before" = t."not_before", "status" = t."status", "error" = t."error", "updated" = t."updated"
FROM (SELECT value ->> 0 AS "id", value ->> 1 AS "state", value ->> 2 AS "attempts", value ->> 3 AS "not_before",
  value ->> 4 AS "status", value ->> 5 AS "error", value ->> 6 AS "updated" FROM json_each(?)) AS t
WHERE "delivery"."id" = t."id" AND "delivery"."state" = 'pending'`;

export const refusedSql = `UPDATE "delivery" SET "state" = 'dead', "error" = ?, "updated" = ?
WHERE "subscription_id" = ? AND "state" = 'pending'`;

/** A replayed delivery gets the same retry time as a new one. */
export const replaySql = (column: 'id' | 'subscription_id'): string => `UPDATE "delivery"
SET "state" = 'pending', "attempts" = 0, "not_before" = NULL, "replayed" = ?, "updated" = ?
WHERE "${column}" = ? AND "state" IN (SELECT "value" FROM json_each(?)) AND "created" >= ?`;
