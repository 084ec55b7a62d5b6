import { checkDefinition } from '../../domain/definitions/definition-rules.js';
import { normalise } from '../../domain/definitions/process-definition.js';
import { stringifyWritten } from '../../domain/json/written-json.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { validator } from '../../lib/schemas.js';
import type { DefinitionRow, DefinitionWrite } from '../../store/process-definitions.js';
import type { Actor } from '../actor.js';
import { invalid, objectBody } from '../body.js';

/** Keys that a body may have: everything that is read may be sent back, but only `definition` and `name` count. */
const bodyKeys = [
  'definition',
  'name',
  'process_name',
  'id',
  'resource_uri',
  'revision',
  'owner',
  'created',
  'updated',
];

/** A definition that may be registered, or an error that lists everything wrong with it. */
function checkedDocument(value: unknown): DefinitionDocument {
  const problems = validator('process-definition')(value, '/definition');
  if (problems.length > 0) throw invalid('invalid-definition', problems);
  const more = checkDefinition(value as DefinitionDocument, '/definition');
  if (more.length > 0) throw invalid('invalid-definition', more);
  return value as DefinitionDocument;
}

function columnsOf(document: DefinitionDocument) {
  const { exec, processType, application } = normalise(document);
  return { definition: stringifyWritten(document), exec, processType, application };
}

function nameOf(
  body: Record<string, unknown>,
  document: DefinitionDocument | undefined,
): string | null | undefined {
  const given = body.name ?? body.process_name ?? document?.name ?? document?.process_name;
  if (given === undefined || given === null) return document === undefined ? undefined : null;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is rejected
  if (typeof given !== 'string' || !/^[^\u0000-\u001f\u007f]{1,255}$/u.test(given)) {
    const pointer = body.name === undefined || body.name === null ? '/process_name' : '/name';
    throw invalid('invalid-body', [
      { pointer, detail: 'a name must be 1 to 255 characters, without control characters' },
    ]);
  }
  return given;
}

/** The row for a new definition. Throws `invalid-body` or `invalid-definition`. */
export function newRow(
  actor: Actor,
  given: unknown,
  now: Date,
  id?: number,
): Extract<DefinitionWrite, { op: 'create' }> {
  const body = objectBody(given, bodyKeys, 'a process definition');
  if (!('definition' in body)) {
    throw invalid('invalid-body', [
      { pointer: '/definition', detail: 'this key is missing; it must hold the definition' },
    ]);
  }
  const document = checkedDocument(body.definition);
  return {
    op: 'create',
    row: {
      ...(id === undefined ? {} : { id }),
      ...columnsOf(document),
      name: nameOf(body, document) ?? null,
      ownerId: actor.id,
      revision: 1,
      created: now,
      updated: now,
    },
  };
}

/** What a body changes in a row. Throws as `newRow` does. */
export function changedRow(
  row: DefinitionRow,
  given: unknown,
  now: Date,
): Extract<DefinitionWrite, { op: 'update' }> {
  const body = objectBody(given, bodyKeys, 'a process definition');
  if (body.id !== undefined && String(body.id) !== String(row.id)) {
    throw invalid('invalid-body', [
      {
        pointer: '/id',
        detail: `the body has id ${String(body.id)}, the URL ${row.id}; an id cannot be changed`,
      },
    ]);
  }
  const document = 'definition' in body ? checkedDocument(body.definition) : undefined;
  const columns = document === undefined ? undefined : columnsOf(document);
  const changed = columns !== undefined && columns.definition !== row.definition;
  const old = JSON.parse(row.definition) as DefinitionDocument;
  // A name that was given beside the definition stays until another one is given.
  const beside = row.name !== (old.name ?? old.process_name ?? null);
  const named = nameOf(body, document);
  const name = named === null && beside ? undefined : named;
  return {
    op: 'update',
    id: row.id,
    from: row.revision,
    row: {
      ...columns,
      ...(name === undefined ? {} : { name }),
      revision: row.revision + (changed ? 1 : 0),
      updated: now,
    },
  };
}
