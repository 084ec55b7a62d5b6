import type { Problem } from '../../lib/errors.js';
import type { Argument } from '../../lib/generated/process-definition.js';
import { nearest } from '../../lib/nearest.js';
import { below } from '../../lib/pointer.js';
import { compileSchema } from '../../lib/value-schema.js';
import { count, shorten, show } from '../../lib/wording.js';
import { argumentOf } from '../definitions/command.js';
import type { PlaceholderValues } from '../definitions/placeholder.js';
import { placeholdersIn } from '../definitions/placeholder.js';
import type { ProcessDefinition } from '../definitions/process-definition.js';
import { writtenNumber } from '../json/written-json.js';
import { type InputDeclaration, schemaOf, titleOf } from './declaration.js';
import { type GivenFile, hidden, inputTexts, type StoredInputs } from './input-texts.js';
import { isExact, isNumber } from './value-text.js';

/** The longest text that a program can be given as an argument, in bytes (Linux, MAX_ARG_STRLEN). */
const longestText = 131_071;
/** Characters of all values of a run as JSON: they are stored with the job, and shown in lists. */
const mostText = 262_144;
/** Values in one input, lists and objects included. */
const mostValues = 10_000;
/** The most files of one input. */
export const mostFiles = 100;

/** What a run gives for declared inputs. */
export interface Given {
  values: Readonly<Record<string, unknown>>;
  files: Readonly<Record<string, readonly GivenFile[]>>;
}

/** What takes the inputs: a definition, or a pipeline, which has no command of its own. */
interface Taker {
  inputs: readonly InputDeclaration[];
  mainInput: string | null;
  argv: readonly (string | Argument)[];
  /** Paths that inputs may be part of. */
  paths: readonly string[];
}

/** A definition as what takes inputs. */
export function takerOf({ inputs, mainInput, argv, cwd, input, output, outputs }: ProcessDefinition): Taker {
  const ends = [input, output].map((one) => (one !== null && 'path' in one ? one.path : null));
  const own = (outputs ?? []).map(({ path }) => path);
  return {
    inputs: inputs ?? [],
    mainInput,
    argv,
    paths: [cwd, ...ends, ...own].filter((path) => path !== null),
  };
}

/** The inputs of a run, checked. `secrets` must not be stored with the rest. */
export interface CheckedInputs {
  stored: StoredInputs;
  secrets: Record<string, unknown>;
}

/**
 * Checks what a run gives against what is declared, all of it at once, and fills in the defaults.
 *
 * @param prefix the place of the inputs in the body
 * @returns the inputs, or every problem
 */
export function checkInputs(taker: Taker, given: Given, prefix = '/inputs'): CheckedInputs | Problem[] {
  const size = JSON.stringify(given.values).length;
  if (size > mostText) {
    const detail = `the values have ${count(size, 'character')} as JSON, and together may have at most ${count(mostText, 'character')}; send what is larger as a file`;
    return [{ pointer: prefix, detail }];
  }
  const names = taker.inputs.map(({ name }) => name);
  const sent = [...new Set([...Object.keys(given.values), ...Object.keys(given.files)])];
  const problems: Problem[] = sent
    .filter((name) => !names.includes(name))
    .map((name) => ({ pointer: below(prefix, name), detail: unknownInput(name, names) }));
  const stored: Record<string, unknown> = {};
  const secrets: Record<string, unknown> = {};
  for (const input of taker.inputs) {
    const { name } = input;
    const pointer = below(prefix, name);
    if (input.kind === 'value') {
      const value = Object.hasOwn(given.values, name) ? given.values[name] : input.written.default;
      if (value === undefined) {
        if (input.required) problems.push({ pointer, detail: missing(input) });
        continue;
      }
      const wrong = valueProblems(input, value, given.values, pointer);
      problems.push(...wrong);
      if (input.secret) secrets[name] = value;
      stored[name] = input.secret ? hidden : value;
    } else {
      const files = given.files[name] ?? [];
      if (Object.hasOwn(given.values, name)) {
        problems.push({ pointer, detail: notAFile(input, given.values[name]) });
        continue;
      }
      problems.push(...fileProblems(input, given.files[name], pointer));
      if (given.files[name] !== undefined)
        stored[name] = input.kind === 'file' ? plainFile(files[0]) : files.map(plainFile);
    }
  }
  if (problems.length > 0) return problems;
  const wrong = placeProblems(taker, stored, secrets, prefix);
  return wrong.length > 0 ? wrong : { stored, secrets };
}

/** What is stored of a file. */
const plainFile = (file: GivenFile | undefined) => file && { name: file.name, size: file.size };

/** The message for a name that is not declared. */
export function unknownInput(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  const known = names.length === 0 ? 'this takes no inputs' : `it takes ${names.slice(0, 20).join(', ')}`;
  return `there is no input ${show(name)}; ${near === undefined ? known : `did you mean "${near}"?`}`;
}

const missing = (input: InputDeclaration) =>
  `${titleOf(input)} is required, and was not sent${input.kind === 'value' ? '' : `; send ${input.kind === 'file' ? 'a file' : 'files'}`}`;

const notAFile = ({ name, secret }: InputDeclaration, value: unknown) =>
  `${name} is a file: send it as a part of a form, or as {"text": …}, {"base64": …}, {"url": …} or {"job": UUID, "output": NAME}, ${secret ? 'not as a value' : `not ${show(value)}`}`;

const unfitSecret = ({ name }: InputDeclaration) =>
  `${name} does not fit its declaration; its value is a secret, so it is not shown`;

function valueProblems(
  input: InputDeclaration,
  value: unknown,
  holder: Readonly<Record<string, unknown>>,
  pointer: string,
): Problem[] {
  const unfit = unfitValue(value, holder, input.name);
  if (unfit !== undefined)
    return [{ pointer, detail: input.secret ? unfitSecret(input) : `${input.name} ${unfit}` }];
  const types = [input.written.type].flat();
  if (typeof value === 'string' && isNumber(value) && !isExact(value) && !types.includes('string')) {
    return [{ pointer, detail: input.secret ? unfitSecret(input) : `${input.name} ${tooExact(value)}` }];
  }
  const check = compileSchema(schemaOf(input.written));
  // It was checked when it was registered.
  if (Array.isArray(check)) return check.map(({ detail }) => ({ pointer, detail }));
  const problems = check(value, pointer);
  if (problems.length === 0) {
    // As JSON it is one text; as arguments, a list is passed on with no more than that.
    const isText = typeof value !== 'object' || Buffer.byteLength(JSON.stringify(value)) <= longestText;
    return isText ? [] : [{ pointer, detail: `${input.name} ${tooLong}` }];
  }
  if (input.secret) {
    return [{ pointer, detail: unfitSecret(input) }];
  }
  return problems.map((problem) => ({
    ...problem,
    detail: problem.detail.replace(/^this /, `${input.name} `),
  }));
}

/** Why no program could be given a value, whatever the schema says; undefined if it could. */
function unfitValue(value: unknown, holder: object, key: string): string | undefined {
  const waiting: { item: unknown; holder: object; key: string | number }[] = [{ item: value, holder, key }];
  for (let seen = 0; ; seen += 1) {
    const next = waiting.pop();
    if (next === undefined) return undefined;
    if (seen + waiting.length > mostValues) return `holds more than ${count(mostValues, 'value')}`;
    const { item } = next;
    if (typeof item === 'number') {
      const written = writtenNumber(next.holder, next.key, item);
      if (written !== undefined && !isExact(written)) return tooExact(written);
    } else if (typeof item === 'string') {
      if (item.includes('\0')) return 'contains a NUL character, which no program can be given';
      if (/\p{Surrogate}/u.test(item)) return 'contains half of a surrogate pair, which is no character';
      if (Buffer.byteLength(item) > longestText) return tooLong;
    } else if (typeof item === 'object' && item !== null) {
      const list = Array.isArray(item);
      for (const [inner, one] of Object.entries(item))
        waiting.push({ item: one, holder: item, key: list ? Number(inner) : inner });
    }
  }
}

const tooLong = `is longer than ${longestText.toLocaleString('en')} bytes; declare it as a file`;

const tooExact = (written: string) =>
  `has more digits than a number can carry: ${shorten(written)}; declare it as a string to pass it on as it is`;

function fileProblems(
  input: InputDeclaration,
  files: readonly GivenFile[] | undefined,
  pointer: string,
): Problem[] {
  const { name, kind, maxSize, written } = input;
  if (files === undefined) return input.required ? [{ pointer, detail: missing(input) }] : [];
  const problems: Problem[] = [];
  const add = (detail: string) => problems.push({ pointer, detail });
  if (kind === 'file' && files.length > 1) add(`${name} is one file, and ${files.length} were sent`);
  if (files.length > mostFiles) add(`${name} may have at most ${count(mostFiles, 'file')}`);
  const { minItems, maxItems } = written as { minItems?: number; maxItems?: number };
  if (kind === 'files' && minItems !== undefined && files.length < minItems)
    add(`${name} must have at least ${count(minItems, 'file')}`);
  if (kind === 'files' && maxItems !== undefined && files.length > maxItems)
    add(`${name} may have at most ${count(maxItems, 'file')}, not ${files.length}`);
  for (const file of files) {
    if (maxSize !== null && file.size > maxSize) add(tooLargeFile(input, file.name));
  }
  if (kind === 'folder') {
    if (files.length === 0) add(`${name} is a folder, and no file was sent for it`);
    const twice = files.find((one, index) => files.findIndex((other) => other.name === one.name) < index);
    if (twice !== undefined) add(`${name} is a folder, and two of its files are called ${show(twice.name)}`);
  }
  return problems;
}

/** The message for a file that is larger than its declaration allows. */
export const tooLargeFile = ({ name, written }: InputDeclaration, file: string): string =>
  `${name} may have at most ${typeof written.max_size === 'number' ? count(written.max_size, 'byte') : String(written.max_size)}, and ${show(file)} is larger`;

/** Problems of defaults and of values to choose from, which a run could not be given. */
export function givenProblems(taker: Taker): Problem[] {
  return taker.inputs.flatMap(({ name, kind, written }) => {
    if (kind !== 'value') return [];
    const values: [string, unknown][] = [
      ...(Object.hasOwn(written, 'default') ? [['default', written.default] as [string, unknown]] : []),
      ...((written.enum as unknown[] | undefined) ?? []).map((one): [string, unknown] => ['enum', one]),
    ];
    return values.flatMap(([key, value]) =>
      placeProblems(taker, { [name]: value }, {}, '/inputs')
        .slice(0, 1)
        .map(({ pointer, detail }) => ({
          pointer: below(pointer, key),
          detail,
        })),
    );
  });
}

/**
 * Problems of values in the places where they would stand: a text must not become an option of the program by accident,
 * and a path must not lead out of its folder.
 */
function placeProblems(
  { inputs, mainInput, argv, paths }: Taker,
  stored: StoredInputs,
  secrets: Readonly<Record<string, unknown>>,
  prefix: string,
): Problem[] {
  const problems: Problem[] = [];
  for (const input of inputs) {
    const { name, kind, secret } = input;
    const value = stored[name];
    if (kind !== 'value' || secret || value === undefined) continue;
    const add = (detail: string) => problems.push({ pointer: below(prefix, name), detail });
    if (!input.leadingDash && textsOf(value).some((text) => text.startsWith('-'))) {
      // Wherever the mark stands at the beginning of an argument, the dash of this value would.
      const marked = { ...stored, [name]: markDash(value) };
      const { texts, values } = inputTexts(inputs, marked, secrets, mainInput, '/');
      const all = argv.flatMap((element) => argumentOf(element, lenient(values), texts));
      if (all.some((argument) => argument.startsWith(mark))) {
        add(
          `${name} may not begin with "-": the program would take it for an option. Whoever registers the program can allow it with "leading_dash": true`,
        );
      }
    }
    const { values } = inputTexts(inputs, stored, secrets, mainInput, '/');
    const text = values[`inputs.${name}`] ?? '';
    const inPath = paths.some((path) => (placeholdersIn(path) as string[]).includes(`inputs.${name}`));
    if (
      inPath &&
      (text === '' ||
        text.startsWith('/') ||
        text.split('/').some((part) => part === '' || part === '.' || part === '..'))
    ) {
      add(`${name} is part of a path here, so it must be one or more plain names, not ${show(text)}`);
    }
  }
  return problems;
}

/** A character that no text can hold: a NUL is refused. */
const mark = '\0';
const textsOf = (value: unknown): string[] => [value].flat().filter((one) => typeof one === 'string');
const markDash = (value: unknown): unknown => {
  const one = (item: unknown) => (typeof item === 'string' && item.startsWith('-') ? mark + item : item);
  return Array.isArray(value) ? value.map(one) : one(value);
};

/** Values in which whatever is not known yet stands for something that begins with no dash. */
const lenient = (values: PlaceholderValues): PlaceholderValues =>
  new Proxy(values, { get: (own, name: keyof PlaceholderValues) => own[name] ?? '/' });
