import { PenstockError, type Problem } from '../../lib/errors.js';
import { nearest } from '../../lib/nearest.js';

/** The names that may stand between `${` and `}`. */
export const placeholderNames = [
  'input_file',
  'output_file',
  'input_pipe',
  'output_pipe',
  'input_port',
  'output_port',
  'work_dir',
  'job_uuid',
] as const;

/** Files of a step that has several inputs or outputs: `input_file.NAME` and `output_file.NAME`. */
export type NamedFile = `${'input_file' | 'output_file'}.${string}`;

/** What a definition declares: `inputs.NAME` is a value as text or the path of a file, `outputs.NAME` a path. */
export type DeclaredName = `${'inputs' | 'outputs'}.${string}`;

export type NamedPlaceholder = NamedFile | DeclaredName;

export type PlaceholderName = (typeof placeholderNames)[number] | NamedPlaceholder;

/** What each placeholder stands for in one run. Which of them exist depends on the adapters. */
export type PlaceholderValues = Partial<Record<PlaceholderName, string>>;

/** The names that may also be written `$<…>`. Any other `$<…>` is text: Perl, make and regular expressions use it. */
const angleNames: readonly string[] = ['input_file', 'output_file'];

const namedFile = /^(?:input_file|output_file)\.[A-Za-z0-9_-]+$/;

/** True for a placeholder of a named file. */
export const isNamedFile = (name: string): name is NamedFile => namedFile.test(name);

/** The input or output that a placeholder names; undefined if it is another placeholder. */
export function declaredIn(name: string): { end: 'inputs' | 'outputs'; name: string } | undefined {
  const [, end, own] = /^(inputs|outputs)\.([A-Za-z_][A-Za-z0-9_-]{0,63})$/.exec(name) ?? [];
  return own === undefined ? undefined : { end: end as 'inputs' | 'outputs', name: own };
}

// Read from the left, so that `$$${x}` is `$` and then the literal `${x}`. One pass: substituted values are never
// scanned again, so a file named `${job_uuid}` keeps its name.
const token = /\$\$\{|\$\{([^{}]*)\}|\$<([A-Za-z_]+)>|\$\{/g;

type Token =
  | { kind: 'placeholder'; name: PlaceholderName; written: string }
  | { kind: 'escape' }
  | { kind: 'text' }
  | { kind: 'unknown'; name: string; written: string }
  | { kind: 'unclosed' };

/** Replaces placeholders by their values, and `$${` by `${`. Everything else stays as it is. */
export function substitute(text: string, values: PlaceholderValues): string {
  return text.replace(token, (written: string, curly?: string, angle?: string) => {
    const found = classify(written, curly, angle);
    if (found.kind === 'escape') return '${';
    if (found.kind !== 'placeholder') return written;
    const value = values[found.name];
    // Definitions and runs are checked on arrival, so this is a bug of ours; a retry would not help.
    if (value === undefined) throw new PenstockError('conflict', `${written} has no value in this run`);
    return value;
  });
}

/** The placeholders in a text, each once, in order. */
export function placeholdersIn(text: string): PlaceholderName[] {
  return [...new Set(tokens(text).flatMap((found) => (found.kind === 'placeholder' ? [found.name] : [])))];
}

/** Whether a text is exactly this placeholder, in either spelling. */
export function isPlaceholder(text: string, name: PlaceholderName): boolean {
  return text === `\${${name}}` || (text === `$<${name}>` && angleNames.includes(name));
}

/** What is wrong with the placeholders in a text: names that do not exist, and `${` without `}`. */
export function placeholderProblems(text: string, pointer: string): Problem[] {
  const details = tokens(text).flatMap((found) => {
    if (found.kind === 'unclosed') {
      return ['"${" is never closed by "}". For a literal ${ write $${'];
    }
    return found.kind === 'unknown' ? [unknownName(found.name, found.written)] : [];
  });
  return [...new Set(details)].map((detail) => ({ pointer, detail }));
}

function unknownName(name: string, written: string): string {
  const [, end, own] = /^\$\{((?:in|out)put_file|inputs|outputs)\.(.*)\}$/s.exec(written) ?? [];
  if (end !== undefined) {
    const shownName = own === '' ? 'no name' : JSON.stringify(own?.slice(0, 60));
    return `\${${end}.NAME} needs a name of letters, digits, - and _, and has ${shownName}`;
  }
  const shown = written.length > 60 ? `${written.slice(0, 60)}…` : written;
  const meant = nearest(name, written.startsWith('$<') ? angleNames : placeholderNames);
  const hint = meant
    ? `did you mean \${${meant}}?`
    : `known are ${placeholderNames.map((known) => `\${${known}}`).join(', ')}.`;
  const remedy = written.startsWith('${') ? ' For a literal ${ write $${' : '';
  return `${shown} is not a placeholder; ${hint}${remedy}`;
}

function tokens(text: string): Token[] {
  return [...text.matchAll(token)].map(([written, curly, angle]) => classify(written, curly, angle));
}

const findName = (name: string): PlaceholderName | undefined =>
  placeholderNames.find((candidate) => candidate === name);

function classify(written: string, curly: string | undefined, angle: string | undefined): Token {
  if (written === '$${') return { kind: 'escape' };
  if (written === '${') return { kind: 'unclosed' };
  const name = curly ?? angle ?? '';
  const isNamed = angle === undefined && (isNamedFile(name) || declaredIn(name) !== undefined);
  const known = isNamed ? (name as PlaceholderName) : findName(name);
  if (angle === undefined) {
    return known ? { kind: 'placeholder', name: known, written } : { kind: 'unknown', name, written };
  }
  if (known && angleNames.includes(known)) return { kind: 'placeholder', name: known, written };
  // Only a near miss of the two names counts as a misspelling; any other `$<…>` belongs to somebody else.
  return nearest(name, angleNames) ? { kind: 'unknown', name, written } : { kind: 'text' };
}
