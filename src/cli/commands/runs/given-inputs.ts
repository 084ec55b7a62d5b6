import type { InputDeclaration } from '../../../domain/inputs/declaration.js';
import { nearest } from '../../../lib/nearest.js';
import { type CliError, usageError } from '../../client/failure.js';

/** One input as the command line gives it: a value as text, or a file, a folder or `-` to read. */
export type GivenInput = { name: string } & ({ text: string } | { file: string });

/**
 * Reads the words after the name of a definition: `NAME=VALUE`, `NAME=@FILE`, and `--NAME`, `--no-NAME` or
 * `--NAME VALUE`, which only the declaration can tell apart.
 *
 * @param flags the options of the command itself, to suggest one for a misspelt option
 */
export function readGiven(
  words: readonly string[],
  inputs: readonly InputDeclaration[],
  flags: readonly string[],
): GivenInput[] {
  const given: GivenInput[] = [];
  const find = (name: string) => inputs.find((input) => input.name === name);
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    // What follows is read as ever: it only keeps `--timeout=3` from being an option of the command.
    if (word === '--') continue;
    if (word.startsWith('-')) {
      const [, flag = '', value] = /^--([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
      const input = find(flag);
      const denied = find(flag.replace(/^no-/, ''));
      if (input !== undefined) {
        if (value !== undefined) given.push(readValue(input.name, value, input));
        else if (input.written.type === 'boolean') given.push({ name: flag, text: 'true' });
        else {
          index += 1;
          given.push(readValue(flag, valueAfter(flag, words[index]), input));
        }
      } else if (denied?.written.type === 'boolean' && value === undefined) {
        given.push({ name: denied.name, text: 'false' });
      } else {
        throw unknownOption(word, [...inputs.map(({ name }) => `--${name}`), ...flags]);
      }
    } else {
      const equals = word.indexOf('=');
      if (equals < 1) throw notAnInput(word, inputs);
      const name = word.slice(0, equals);
      given.push(readValue(name, word.slice(equals + 1), find(name)));
    }
  }
  return given;
}

/** The error for an option that is neither one of the command nor an input. */
export function unknownOption(word: string, known: readonly string[]): CliError {
  const flag = word.replace(/=.*$/s, '');
  const near = nearest(flag, known);
  return usageError(
    `Unknown option ${flag}.`,
    ...(near === undefined ? [] : [`Did you mean ${near}?`]),
    'For the options and inputs: penstock run DEFINITION --help',
  );
}

function readValue(name: string, value: string, input: InputDeclaration | undefined): GivenInput {
  const isValue = input?.kind === 'value';
  if (value.startsWith('@@')) return textFor(name, value.slice(1), input);
  if (!value.startsWith('@')) return textFor(name, value, input);
  if (isValue) {
    throw usageError(
      `${name} takes a value, and ${value} means a file.`,
      `For the text ${value}: ${name}=@${value}`,
    );
  }
  const file = value.slice(1);
  if (file === '') throw usageError(`${name}=@ needs the name of a file after the @.`);
  return { name, file };
}

function textFor(name: string, text: string, input: InputDeclaration | undefined): GivenInput {
  if (input === undefined || input.kind === 'value') return { name, text };
  throw usageError(
    `${name} takes ${input.kind === 'file' ? 'a file' : 'files'}, and ${text === '' ? 'an empty text' : text} is a text.`,
    `To send a file: ${name}=@FILE`,
  );
}

function valueAfter(flag: string, next: string | undefined): string {
  if (next !== undefined && !next.startsWith('--')) return next;
  throw usageError(
    `--${flag} needs a value.`,
    next === undefined ? `Write --${flag} VALUE.` : `If it is ${next}: ${flag}=${next}`,
  );
}

function notAnInput(word: string, inputs: readonly InputDeclaration[]): CliError {
  const names = inputs.map(({ name }) => name).join(', ');
  return usageError(
    `Not an input: ${word}. Write NAME=VALUE, or NAME=@FILE for a file.`,
    names === '' ? 'It takes no inputs.' : `Its inputs: ${names}`,
  );
}
