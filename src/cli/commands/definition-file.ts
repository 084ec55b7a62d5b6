import type { Json } from '../client/client.js';
import { readDocument } from '../client/document.js';
import type { CliIo } from '../terminal/io.js';

/** Reads a process definition from a JSON or YAML file, or from standard input for `-`. */
export async function readDefinition(file: string, io: CliIo): Promise<Json> {
  const document = await readDocument(file, io, 'a process definition');
  // Accept what `definition show --json` prints, unchanged.
  const inner = document.definition;
  return document.exec === undefined && typeof inner === 'object' && inner !== null
    ? (inner as Json)
    : document;
}
