import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { nearest } from '../../../lib/nearest.js';
import { type Declarations, isFiles, isRequired } from '../../client/declared.js';
import { type CliError, usageError } from '../../client/failure.js';
import type { Part } from '../../client/form.js';
import { openFile, openInput } from '../../client/input.js';
import type { CliIo } from '../../terminal/io.js';

/** An input as it was given: a text, or `@` and where its bytes are. */
type Given = { name: string; text: string };

/**
 * Reads `NAME=VALUE`, `--NAME VALUE`, `--NAME=VALUE`, and for switches `--NAME` and `--no-NAME`.
 *
 * @param options the command's own options, for suggestions
 */
export function readGiven(
  words: readonly string[],
  declared: Declarations,
  options: readonly string[],
): Given[] {
  const given: Given[] = [];
  const isSwitch = (name: string) => declared[name]?.type === 'boolean';
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? '';
    const [, flag, name = '', value] = /^(--)?([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    const off = flag !== undefined && name.startsWith('no-') ? name.slice(3) : undefined;
    if (flag === undefined && value !== undefined && name !== '') given.push({ name, text: value });
    else if (flag === undefined) throw notAnInput(word, declared);
    else if (off !== undefined && value === undefined && isSwitch(off))
      given.push({ name: off, text: 'false' });
    else if (declared[name] === undefined) throw unknownOption(name, declared, options);
    else if (value !== undefined) given.push({ name, text: value });
    else if (isSwitch(name)) given.push({ name, text: 'true' });
    else {
      at += 1;
      const next = words[at];
      if (next === undefined) throw usageError(`--${name} needs a value: --${name} VALUE, or ${name}=VALUE.`);
      given.push({ name, text: next });
    }
  }
  return given;
}

function notAnInput(word: string, declared: Declarations): CliError {
  const near = nearest(word, Object.keys(declared));
  return usageError(
    `'${word}' is not an input: write NAME=VALUE, or NAME=@FILE for a file.`,
    ...(near === undefined ? [] : [`Did you mean ${near}=…?`]),
  );
}

function unknownOption(name: string, declared: Declarations, options: readonly string[]): CliError {
  const near = nearest(`--${name}`, [...options, ...Object.keys(declared).map((input) => `--${input}`)]);
  return usageError(
    `There is no option --${name}, and no input of that name.`,
    near === undefined ? 'To see the inputs: penstock run NAME --help' : `Did you mean ${near}?`,
  );
}

/** The input that `--input` and standard input go to: the program's own standard input, or the only file. */
function bodyOf(declared: Declarations): string | undefined {
  const entries = Object.entries(declared);
  const stdin = entries.find(([, input]) => input.stdin === true);
  const files = entries.filter(([, input]) => isFiles(input));
  return stdin?.[0] ?? (files.length === 1 ? files[0]?.[0] : undefined);
}

/**
 * The parts of a form for what was given. Without it, a required file comes from standard input, unless that is a
 * terminal.
 *
 * @param input the option `--input`
 */
export async function partsOf(
  given: readonly Given[],
  declared: Declarations,
  input: string | false | undefined,
  io: CliIo,
): Promise<Part[]> {
  const parts: Part[] = [];
  // Texts first, so that a mistake in one is found before files are sent.
  for (const { name, text } of given) if (!text.startsWith('@')) parts.push({ name, text });
  for (const { name, text } of given) {
    if (text.startsWith('@@')) parts.unshift({ name, text: text.slice(1) });
    else if (text.startsWith('@')) parts.push(...(await fileParts(name, text.slice(1), declared, io)));
  }
  const body = bodyOf(declared);
  if (typeof input === 'string') {
    if (body === undefined)
      throw usageError(
        '--input does not say which input it is: use NAME=@FILE.',
        'To see the inputs: penstock run NAME --help',
      );
    parts.push(...(await fileParts(body, input, declared, io)));
  } else if (input !== false && body !== undefined && isRequired(declared[body] ?? {})) {
    const missing = !given.some(({ name }) => name === body);
    const opened = missing ? await openInput(undefined, io) : undefined;
    if (opened !== undefined) parts.push({ name: body, input: opened });
  }
  return parts;
}

/** `-` is standard input; a folder stands for the files in it. */
async function fileParts(name: string, file: string, declared: Declarations, io: CliIo): Promise<Part[]> {
  if (declared[name] !== undefined && !isFiles(declared[name])) {
    throw usageError(`${name} is a value, not a file. For a text that begins with @, write ${name}=@@…`);
  }
  if (file === '-') {
    const input = await openInput('-', io);
    return input === undefined ? [] : [{ name, input }];
  }
  const isFolder = statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!isFolder) return [{ name, input: await openFile(file) }];
  const names = readdirSync(file, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort();
  if (names.length === 0) throw usageError(`There are no files in the folder ${file}.`);
  const parts: Part[] = [];
  for (const one of names) parts.push({ name, input: await openFile(join(file, one)) });
  return parts;
}
