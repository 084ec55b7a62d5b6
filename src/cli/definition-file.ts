import { readFile } from 'node:fs/promises';
import { parse as parseYaml } from 'yaml';
import { messageOf } from '../errors.js';
import type { Json } from './client.js';
import { CliError, usageError } from './failure.js';
import type { CliIo } from './io.js';

/** Reads a process definition from a JSON or YAML file, or from standard input for `-`. */
export async function readDefinition(file: string, io: CliIo): Promise<Json> {
  const text = file === '-' ? await readAll(io) : await readText(file);
  const value = parse(text, file);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CliError(`${nameOf(file)} does not hold a process definition: it has to be an object.`);
  }
  const document = value as Json;
  // What `definition show --json` printed can be given back as it is.
  const inner = document.definition;
  return document.exec === undefined && typeof inner === 'object' && inner !== null
    ? (inner as Json)
    : document;
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
    return JSON.parse(text);
  } catch (error) {
    throw new CliError(`${nameOf(file)} is not valid JSON: ${messageOf(error)}`);
  }
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw usageError(`${file} cannot be read: ${messageOf(error)}`);
  }
}

async function readAll(io: CliIo): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of io.stdin) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

function nameOf(file: string): string {
  return file === '-' ? 'Standard input' : file;
}
