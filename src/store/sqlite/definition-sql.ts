/**
 * Writing many process definitions at once: a whole list is one JSON parameter, so that a thousand need only one
 * statement. Column names are those of `prisma/schema.prisma`.
 */

const names = {
  ownerId: 'owner_id',
  name: 'name',
  revision: 'revision',
  definition: 'definition',
  exec: 'exec',
  processType: 'process_type',
  application: 'application',
  created: 'created',
  updated: 'updated',
} as const;
const columns = Object.entries(names);

/** Takes a list of rows; a null id is generated. Returns the ids. */
export const insertDefinitionsSql = `INSERT INTO "process_definition" ("id", ${columns.map(([, column]) => `"${column}"`).join(', ')})
SELECT value ->> 'id', ${columns.map(([key]) => `value ->> '${key}'`).join(', ')} FROM json_each(?) RETURNING "id"`;

/** Takes a list of `{"id", "from", …}`: changes the given columns in rows that are still at the revision `from`. */
export const updateDefinitionsSql = `UPDATE "process_definition"
SET ${columns.map(([key, column]) => `"${column}" = iif(json_type(t.value, '$.${key}') IS NULL, "${column}", t.value ->> '${key}')`).join(', ')}
FROM json_each(?) AS t
WHERE "process_definition"."id" = t.value ->> 'id' AND "process_definition"."revision" = t.value ->> 'from'`;

/** Takes a list of ids. */
export const deleteDefinitionsSql = `DELETE FROM "process_definition" WHERE "id" IN (SELECT value FROM json_each(?))`;

/** Fails the whole transaction unless the previous statement changed exactly that many rows. */
export const mustHaveChangedSql = `SELECT json(iif(changes() = ?, 'true', 'changed by somebody else')) AS "right"`;
