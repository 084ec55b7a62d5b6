import type { Command } from 'commander';
import type { InputDeclaration } from '../../../domain/inputs/declaration.js';
import type { OutputDeclaration } from '../../../domain/inputs/output-declaration.js';
import { textOf } from '../../../domain/inputs/value-text.js';
import { messageOf } from '../../../lib/errors.js';
import { connect } from '../../client/connect.js';
import { type Declared, declaredBy } from '../../client/declared.js';
import { find, type Kind } from '../../client/find.js';
import { type CliIo, harmless, print } from '../../terminal/io.js';

/** The narrowest terminal that this is written for. */
const columns = 80;
/** No text of a definition is shown longer than this: its page has all of it. */
const longest = 300;

/** `penstock run NAME --help`: the plain help, then what that definition takes and makes, as the server knows it. */
export async function tellHelp(
  command: Command,
  kind: Kind,
  key: string | undefined,
  io: CliIo,
): Promise<void> {
  print(io, command.helpInformation());
  if (key === undefined) return print(io, `\nFor its inputs and outputs: name a ${kind.words}.`);
  try {
    const { object } = await find(await connect(command, io), kind, key);
    print(io, `\n${declaredText(key, declaredBy(object))}`);
  } catch (error) {
    const why = `The inputs of ${key} cannot be shown: ${messageOf(error)}`;
    print(io, `\n${wrapped(why, '').join('\n')}`);
  }
}

/** The inputs and outputs of a definition, for people. */
function declaredText(name: string, { inputs, outputs }: Declared): string {
  const lines: string[] = [];
  if (inputs === null) {
    lines.push(...wrapped(`${name} declares no inputs: it reads --input or standard input.`, ''));
  } else {
    lines.push(...wrapped(inputs.length === 0 ? `${name} takes no inputs.` : `Inputs of ${name}:`, ''));
    for (const input of ordered(inputs)) lines.push(...wrapped(usageOf(input), '  '), ...about(input));
  }
  if (outputs !== null && outputs.length > 0) {
    lines.push('', ...wrapped(`Outputs of ${name}:`, ''));
    for (const output of outputs) lines.push(...wrapped(output.name, '  '), ...about(output));
  }
  return lines.join('\n');
}

/** How the input is given. */
function usageOf({ name, kind, written }: InputDeclaration): string {
  if (kind === 'folder') return `${name}=@FOLDER/`;
  if (kind === 'files') return `${name}=@FILE ...`;
  if (kind === 'file') return `${name}=@FILE`;
  if (written.type === 'boolean') return `--${name}, --no-${name}`;
  return `${name}=VALUE${written.type === 'array' ? ' ...' : ''}`;
}

function about(declared: InputDeclaration | OutputDeclaration): string[] {
  const { title, description } = declared.written as { title?: unknown; description?: unknown };
  const facts = [
    typeText(declared),
    ...('required' in declared ? inputFacts(declared) : outputFacts(declared)),
  ];
  return [title, description, `${facts.join('; ')}.`].flatMap((text) =>
    typeof text === 'string' ? wrapped(short(text), '      ') : [],
  );
}

/** What it must be: `integer, 32 to 320, multiple of 8`. */
function typeText(declared: InputDeclaration | OutputDeclaration): string {
  const schema = declared.written as Record<string, unknown>;
  const { type, items } = schema as { type?: unknown; items?: { type?: unknown } };
  const word =
    declared.kind === 'files'
      ? 'files'
      : type === 'array' && typeof items?.type === 'string'
        ? `array of ${items.type}`
        : [type ?? 'any'].flat().join(' or ');
  return [word, ...rangeOf(schema)].join(', ');
}

function rangeOf(schema: Record<string, unknown>): string[] {
  const { minimum: min, maximum: max, enum: among } = schema;
  const words: string[] = [];
  if (Array.isArray(among)) words.push(`one of ${among.map(textOf).join(', ')}`);
  if (min !== undefined && max !== undefined) words.push(`${textOf(min)} to ${textOf(max)}`);
  else if (min !== undefined) words.push(`at least ${textOf(min)}`);
  else if (max !== undefined) words.push(`at most ${textOf(max)}`);
  const more: [key: string, say: (text: string) => string][] = [
    ['exclusiveMinimum', (least) => `above ${least}`],
    ['exclusiveMaximum', (most) => `below ${most}`],
    ['multipleOf', (step) => `a multiple of ${step}`],
    ['minLength', (least) => `at least ${least} characters`],
    ['maxLength', (most) => `at most ${most} characters`],
    ['minItems', (least) => `at least ${least} of them`],
    ['maxItems', (most) => `at most ${most} of them`],
    ['pattern', (pattern) => `matches ${pattern}`],
    ['format', (format) => `format ${format}`],
    ['const', (only) => `only ${only}`],
    ['max_size', (most) => `at most ${most}`],
    ['media_type', (types) => types],
  ];
  for (const [key, say] of more) {
    const value = schema[key];
    if (value !== undefined) words.push(say([value].flat().map(textOf).join(' or ')));
  }
  return words;
}

/** By their hint `order`, as in a form; those without one come last. */
const ordered = (inputs: readonly InputDeclaration[]): InputDeclaration[] => {
  const rank = ({ written }: InputDeclaration) =>
    typeof written.order === 'number' ? written.order : Number.POSITIVE_INFINITY;
  return [...inputs].sort((one, other) => (rank(one) < rank(other) ? -1 : rank(one) > rank(other) ? 1 : 0));
};

function inputFacts({ required, secret, stdin, written }: InputDeclaration): string[] {
  const fallback = Object.hasOwn(written, 'default');
  return [
    fallback
      ? `default ${secret ? 'not shown' : textOf(written.default)}`
      : required
        ? 'required'
        : 'optional',
    ...(stdin ? ['or standard input'] : []),
    ...(secret ? ['secret'] : []),
  ];
}

const outputFacts = ({ optional }: OutputDeclaration): string[] => (optional ? ['optional'] : []);

const short = (text: string): string => {
  const clean = harmless(text).trim();
  return clean.length <= longest ? clean : `${clean.slice(0, longest)}…`;
};

/** The text in lines that fit; a word that is longer than a line is broken. */
function wrapped(text: string, indent: string): string[] {
  const width = columns - indent.length;
  const lines: string[] = [];
  let line = '';
  const words = harmless(text)
    .split(/\s+/)
    .flatMap((word) => word.match(new RegExp(`.{1,${width}}`, 'gsu')) ?? []);
  for (const word of words) {
    if (line !== '' && [...line].length + 1 + [...word].length > width) {
      lines.push(indent + line);
      line = '';
    }
    line += line === '' ? word : ` ${word}`;
  }
  return [...lines, ...(line === '' ? [] : [indent + line])];
}
