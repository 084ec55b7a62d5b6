import { readFile } from 'node:fs/promises';
import { parse as parseYaml } from 'yaml';
import { parseWritten } from '../../domain/json/written-json.js';
import { messageOf } from '../../lib/errors.js';
import type { CliIo } from '../terminal/io.js';
import type { Json } from './client.js';
import { CliError, usageError } from './failure.js';

/** The help text of an argument that is read here. */
export const fileArgument = 'JSON or YAML file, or - for JSON on standard input';

/**
 * Reads an object from a JSON or YAML file, or from standard input (JSON only) for `-`.
 *
 * @param words what it should contain, for messages: "a process definition"
 */
export async function readDocument(file: string, io: CliIo, words: string): Promise<Json> {
  const value = parse(await readFileOrInput(file, io), file);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CliError(`${nameOf(file)} does not contain ${words}: it must be an object.`);
  }
  return value as Json;
}

/** Reads an object, or a list of objects, each of which is one of `words`. */
export async function readDocuments(file: string, io: CliIo, words: string): Promise<Json[]> {
  const value = parse(await readFileOrInput(file, io), file);
  const list = Array.isArray(value) ? value : [value];
  if (list.every((one) => typeof one === 'object' && one !== null && !Array.isArray(one)))
    return list as Json[];
  throw new CliError(`${nameOf(file)} does not contain ${words}, or a list of them: each must be an object.`);
}

/** The text of a file, or of standard input for `-`. */
export async function readFileOrInput(file: string, io: CliIo): Promise<string> {
  if (file === '-') return readAll(io);
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw usageError(`Cannot read ${file}: ${messageOf(error)}`);
  }
}

/** What messages call a file. */
function nameOf(file: string): string {
  return file === '-' ? 'Standard input' : file;
}

function parse(text: string, file: string): unknown {
  if (/\.ya?ml$/i.test(file)) {
    try {
      return parseYaml(text);
    } catch (error) {
      throw new CliError(`${file} is not valid YAML: ${messageOf(error)}`);
    }
  }
  try {
    return parseWritten(text);
  } catch (error) {
    throw new CliError(`${nameOf(file)} is not valid JSON: ${messageOf(error)}`);
  }
}

async function readAll(io: CliIo): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}
