import { quote, split } from 'shlex';
import { bounds } from '../../domain/bounds.js';
import { fileNameProblem } from '../../domain/definitions/file-name.js';
import type { ServerWishes } from '../../domain/servers/application.js';
import { messageOf, type Problem } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { nearest } from '../../lib/nearest.js';
import { count, shorten } from '../../lib/wording.js';

export const taskTypes = ['xnat', 'process'] as const;
export type TaskType = (typeof taskTypes)[number];

/** A checked task of a client of the scheduler's protocol. Only `environment` contains its secret. */
export interface Task {
  type: TaskType;
  /** The id of the process definition that it runs. Null for a type that has its own. */
  definition: string | null;
  /** What the API shows of it later, in the older scheduler's order. */
  shown: Record<string, string>;
  /** Files of LOCAL_SCRIPTS_FOLDER that are uploaded to the server's base folder. */
  files: string[];
  /** Variables for the program, secrets included. */
  environment: Record<string, string>;
  input: { name: string; text: string } | null;
  /** The name of the output file. */
  output: string | null;
  application: string | null;
  /** Settings for its server that override the application's. */
  server: ServerWishes;
}

/** How many unknown keys to check for misspelt ones. A client that sends more than this has not mistyped one. */
const mostStrange = 100;

const required = ['project', 'subject', 'session', 'host', 'user', 'pwd', 'script'] as const;
const optional = [
  'type',
  'files',
  'options',
  'pwd_in_argv',
  'application',
  'image',
  'flavor',
  'user_data',
] as const;
const known = [...required, ...optional];

export type Checked<T> = { ok: true; value: T } | { ok: false; problems: Problem[] };

/**
 * Checks a task of type `xnat`: a script with its traditional flags. Unknown keys are only mentioned if one of them may
 * be a misspelt required key, because older clients send extra keys.
 */
export function xnatTask(given: Readonly<Record<string, unknown>>): Checked<Task> {
  const problems: Problem[] = [];
  const text = (key: string, value: unknown) => textOf(key, value, problems);
  const values: Record<string, string> = {};
  const strange = Object.keys(given)
    .filter((key) => !known.includes(key as never))
    .slice(0, mostStrange);
  for (const key of required) {
    if (given[key] !== undefined && given[key] !== null) values[key] = text(key, given[key]);
    else {
      const near = nearest(key, strange);
      const hint = near === undefined ? '' : `; is "${near}" a misspelling of it?`;
      problems.push({ pointer: `/${key}`, detail: `${key} is missing${hint}` });
    }
  }
  const files = [values.script ?? '', ...listOf('files', given.files, problems)];
  for (const [index, name] of files.entries()) {
    const problem = name === '' ? undefined : fileNameProblem(name);
    if (problem !== undefined)
      problems.push({ pointer: index === 0 ? '/script' : `/files/${index - 1}`, detail: problem });
  }
  const options = optionsOf(given.options, problems);
  const inArgv = given.pwd_in_argv ?? false;
  if (typeof inArgv !== 'boolean')
    problems.push({ pointer: '/pwd_in_argv', detail: 'pwd_in_argv must be true or false' });
  const { application, server } = wishesOf(given, problems);
  if (problems.length > 0) return { ok: false, problems };
  const { script = '', pwd = '', ...shown } = values;
  const variables = Object.entries(shown).map(([key, value]) => [`TASK_${key.toUpperCase()}`, value]);
  return {
    ok: true,
    value: {
      type: 'xnat',
      definition: null,
      input: null,
      output: null,
      shown: { ...shown, pwd: '***', script },
      files: [...new Set(files)],
      environment: {
        ...Object.fromEntries(variables),
        TASK_SCRIPT: script,
        TASK_PWD: pwd,
        TASK_PWD_IN_ARGV: inArgv ? '1' : '',
        TASK_OPTIONS: options.map(quote).join(' '),
      },
      application,
      server,
    },
  };
}

const tooLong = (what: string, most: number, length: number): string =>
  `${what} may have at most ${count(most, 'character')}, not ${length}`;

function textOf(key: string, value: unknown, problems: Problem[], most: number = bounds.taskField): string {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string' && value.length > most) {
    problems.push({ pointer: `/${key}`, detail: tooLong(key, most, value.length) });
    return '';
  }
  if (typeof value === 'string' && !value.includes('\0')) return value;
  const is =
    value === null
      ? 'null'
      : Array.isArray(value)
        ? 'an array'
        : typeof value === 'object'
          ? 'an object'
          : `a ${typeof value}`;
  problems.push({
    pointer: `/${key}`,
    detail:
      typeof value === 'string' ? `${key} contains a NUL character` : `${key} must be a string, not ${is}`,
  });
  return '';
}

/** How many bytes clouds accept for each. */
const longest = { image: 255, flavor: 255, user_data: 49_151 } as const satisfies Record<
  keyof ServerWishes,
  number
>;

/** The settings for the server, which tasks of any type may have. */
function wishesOf(
  given: Readonly<Record<string, unknown>>,
  problems: Problem[],
): Pick<Task, 'application' | 'server'> {
  const text = (key: string) =>
    given[key] === undefined || given[key] === null
      ? null
      : // The limit in bytes is checked below.
        textOf(key, given[key], problems, key === 'application' ? bounds.taskField : bounds.taskInput);
  const server: ServerWishes = {};
  for (const [key, most] of Object.entries(longest) as [keyof ServerWishes, number][]) {
    const value = text(key);
    if (value === null) continue;
    if (value.length >= 1 && Buffer.byteLength(value) <= most) server[key] = value;
    else if (!problems.some(({ pointer }) => pointer === `/${key}`)) {
      const is = value === '' ? 'empty' : `longer than ${most} bytes`;
      problems.push({ pointer: `/${key}`, detail: `${key} is ${is}` });
    }
  }
  return { application: text('application'), server };
}

const processKeys = [
  'type',
  'process_definition',
  'input',
  'output',
  'environment',
  'application',
  'image',
  'flavor',
  'user_data',
] as const;

/**
 * Checks a task of type `process`: a process definition of this installation, run on a server. Its input is a text, or
 * an object with `text` and `name`. Its output is the name of the output file.
 */
export function processTask(given: Readonly<Record<string, unknown>>): Checked<Task> {
  const problems: Problem[] = [];
  for (const key of Object.keys(given)) {
    if (processKeys.includes(key as never)) continue;
    const near = nearest(key, processKeys);
    const hint = near === undefined ? `known keys: ${processKeys.join(', ')}` : `did you mean "${near}"?`;
    problems.push({ pointer: `/${key}`, detail: `unknown key; ${hint}` });
  }
  const { process_definition: wanted, input: fed = null, output = null, environment = {} } = given;
  const isNamed = typeof wanted === 'string' || typeof wanted === 'number';
  const id = /^(?:\/api\/process_definition\/)?(\d{1,15})\/?$/.exec(isNamed ? String(wanted) : '')?.[1];
  if (id === undefined) {
    const is = wanted === undefined ? 'is missing' : 'must be an id or a resource_uri';
    problems.push({ pointer: '/process_definition', detail: `process_definition ${is}` });
  }
  const input = inputOf(fed, problems);
  if (output !== null && typeof output !== 'string')
    problems.push({ pointer: '/output', detail: 'output must be a string, the name of the output file' });
  else if (output !== null && output.length > bounds.taskField)
    problems.push({ pointer: '/output', detail: tooLong('output', bounds.taskField, output.length) });
  const isMap = typeof environment === 'object' && environment !== null && !Array.isArray(environment);
  if (!isMap || !Object.values(environment).every((value) => typeof value === 'string'))
    problems.push({ pointer: '/environment', detail: 'environment must be an object of strings' });
  const wishes = wishesOf(given, problems);
  if (problems.length > 0) return { ok: false, problems };
  return {
    ok: true,
    value: {
      type: 'process',
      definition: id ?? null,
      shown: { process_definition: `/api/process_definition/${id}/` },
      files: [],
      environment: environment as Record<string, string>,
      input,
      output: output as string | null,
      ...wishes,
    },
  };
}

function inputOf(value: unknown, problems: Problem[]): Task['input'] {
  if (value === null) return null;
  if (typeof value === 'string') return { name: 'input', text: value };
  const { text, name = 'input' } = value as { text?: unknown; name?: unknown };
  if (typeof text === 'string' && typeof name === 'string') {
    const problem = fileNameProblem(name);
    if (problem === undefined) return { name, text };
    problems.push({ pointer: '/input/name', detail: problem });
  } else
    problems.push({ pointer: '/input', detail: 'input must be a string, or an object with text and name' });
  return null;
}

function listOf(key: string, value: unknown, problems: Problem[]): string[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value) && value.length > bounds.taskItems) {
    const detail = `${key} may have at most ${count(bounds.taskItems, 'item')}, not ${value.length}`;
    problems.push({ pointer: `/${key}`, detail });
    return [];
  }
  if (Array.isArray(value) && value.every((one) => typeof one === 'string')) return value;
  problems.push({ pointer: `/${key}`, detail: `${key} must be a list of strings` });
  return [];
}

/** Options are a list, or a string that is split into words like a shell does. */
function optionsOf(value: unknown, problems: Problem[]): string[] {
  if (typeof value !== 'string') return listOf('options', value, problems);
  if (value.length > bounds.taskOptions) {
    problems.push({ pointer: '/options', detail: tooLong('options', bounds.taskOptions, value.length) });
    return [];
  }
  try {
    return split(value);
  } catch (error) {
    problems.push({
      pointer: '/options',
      detail: `options ${JSON.stringify(shorten(value))}: ${messageOf(error)}`,
    });
    return [];
  }
}

/**
 * The definition for tasks of type `xnat`. Values are passed in the environment, so that they are not in any file of
 * ours that others can read, nor in argv unless the task asks for the old form. Like a login, it starts in the user's
 * home.
 */
export const xnatDefinition: DefinitionDocument = {
  name: 'task xnat',
  description: 'Runs a script of LOCAL_SCRIPTS_FOLDER on a server, for a task of the scheduler.',
  executor: 'cloud',
  exec: '/bin/sh',
  argv: [
    '-c',
    [
      'eval "HOME=~$(id -un)" && cd "$HOME" || exit 125',
      '[ ! -r /etc/profile ] || . /etc/profile',
      '[ ! -r .profile ] || . ./.profile',
      'set -- "$PENSTOCK_BASE_FOLDER/$TASK_SCRIPT" -project "$TASK_PROJECT" -subject "$TASK_SUBJECT"' +
        ' -session "$TASK_SESSION" -host "$TASK_HOST" -user "$TASK_USER"',
      '[ -z "$TASK_PWD_IN_ARGV" ] || set -- "$@" -pwd "$TASK_PWD"',
      'eval "set -- \\"\\$@\\" $TASK_OPTIONS"',
      'exec bash "$@"',
    ].join('\n'),
  ],
};
