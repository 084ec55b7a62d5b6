import { posix } from 'node:path';
import type { Argument } from '../../lib/generated/process-definition.js';
import type { RunDocument } from '../../lib/generated/run-request.js';
import { argumentsOf } from '../inputs/argument.js';
import type { InputText } from '../inputs/value-text.js';
import { timeoutOf } from '../jobs/timeout.js';
import {
  isNamedFile,
  type PlaceholderName,
  type PlaceholderValues,
  placeholdersIn,
  substitute,
} from './placeholder.js';
import type { ProcessDefinition } from './process-definition.js';

/** What is handed to an executor. `exec` without a slash is looked up on PATH there; no shell ever sees it. */
interface Command {
  exec: string;
  argv: string[];
  environment: Record<string, string>;
  /** Always absolute. */
  cwd: string;
  /** Seconds, or null for no limit. */
  timeout: number | null;
}

/** The values that every run has, before any file is staged. */
export type BaseValues = PlaceholderValues & { work_dir: string; job_uuid: string };

/**
 * Definition + request + values → what is run. A request's variables are laid over the definition's, and may hold
 * placeholders as those do.
 *
 * @param defaultTimeout the server's; see `timeoutOf`
 * @param inputs what the declared inputs stand for; `values` has those that are one text
 */
export function buildCommand(
  definition: ProcessDefinition,
  request: Pick<RunDocument, 'environment' | 'timeout'>,
  values: BaseValues,
  defaultTimeout: number | null,
  inputs: InputTexts = noInputs,
): Command {
  const environment = { ...definition.environment, ...request.environment };
  return {
    exec: definition.exec,
    argv: definition.argv.flatMap((argument) => argumentOf(argument, values, inputs)),
    // fromEntries, because `__proto__` is a legal variable name and assigning to it would lose it.
    environment: Object.fromEntries(
      Object.entries(environment).flatMap(([name, text]) => {
        const value = environmentValue(text, values, inputs);
        return value === null ? [] : [[name, value]];
      }),
    ),
    cwd: workingDirectory(definition, values),
    timeout: timeoutOf(definition, request, defaultTimeout),
  };
}

/** The values with those of the main input and output, whose paths or ports only their adapters know. */
export function withMain({ mainInput, mainOutput }: ProcessDefinition, values: BaseValues): BaseValues {
  const input = values.input_file ?? values.input_pipe ?? values.input_port;
  const output = values.output_file ?? values.output_pipe ?? values.output_port;
  return {
    ...values,
    ...(mainInput === null || input === undefined ? {} : { [`inputs.${mainInput}`]: input }),
    ...(mainOutput === null || output === undefined ? {} : { [`outputs.${mainOutput}`]: output }),
  };
}

/** What declared inputs stand for, by name. */
export type InputTexts = ReadonlyMap<string, InputText>;
const noInputs: InputTexts = new Map();

/** The arguments that one element of `argv` becomes. */
export function argumentOf(
  element: string | Argument,
  values: PlaceholderValues,
  inputs: InputTexts,
): string[] {
  if (typeof element !== 'string') {
    // What an adapter carries has no text of its own here, but the path or port that the adapter chose.
    const carried = values[`inputs.${element.input}`] ?? null;
    return argumentsOf(element, inputs.has(element.input) ? (inputs.get(element.input) ?? null) : carried);
  }
  const alone = onlyInput(element);
  const value = alone === undefined ? undefined : inputs.get(alone);
  if (value === null) return [];
  if (typeof value === 'object') return [...value];
  return [substitute(element, values)];
}

/** A variable's value; null: it is not set, because it is nothing but an absent input. */
function environmentValue(text: string, values: PlaceholderValues, inputs: InputTexts): string | null {
  const alone = onlyInput(text);
  return alone !== undefined && inputs.get(alone) === null ? null : substitute(text, values);
}

/** The input that a text is nothing but; undefined if it is anything else. */
export const onlyInput = (text: string): string | undefined =>
  /^\$\{inputs\.([A-Za-z_][A-Za-z0-9_-]{0,63})\}$/.exec(text)?.[1];

/** Whether the command (argv, environment, cwd) mentions a placeholder, so that what it stands for must be created. */
export function usesPlaceholder(definition: ProcessDefinition, name: PlaceholderName): boolean {
  const texts = [...textsOf(definition), definition.cwd ?? ''];
  return texts.some((text) => placeholdersIn(text).includes(name));
}

/**
 * Whether the command names its input file, which exists only if the run has an input.
 *
 * @param environment the run's variables, which override the definition's
 */
export function needsInput(
  definition: ProcessDefinition,
  environment: Readonly<Record<string, string>> = {},
): boolean {
  const { input, inputs } = definition;
  // Declared inputs say themselves whether they are required.
  if (inputs !== null || input?.type !== 'file' || input.via !== 'path') return false;
  const variables = { ...definition.environment, ...environment };
  return usesPlaceholder({ ...definition, environment: variables }, 'input_file');
}

/** The error for a run that needs an input and has none. */
export const missingInput = ({ name, exec }: ProcessDefinition): string =>
  `${name ?? exec} needs an input file (\${input_file}), and none was sent; send it as the body, or as input.text or input.url`;

/** The names of the files that the command reads besides its input and writes besides its output. */
export function namedFiles(definition: ProcessDefinition): { inputs: string[]; outputs: string[] } {
  const texts = textsOf(definition);
  const names = new Set(texts.flatMap(placeholdersIn).filter(isNamedFile));
  const of = (end: string) =>
    [...names].filter((name) => name.startsWith(`${end}.`)).map((name) => name.slice(end.length + 1));
  return { inputs: of('input_file'), outputs: of('output_file') };
}

const textsOf = ({ argv, environment }: ProcessDefinition): string[] => [
  ...argv.filter((argument) => typeof argument === 'string'),
  ...Object.values(environment),
];

/** Where the program starts, as an absolute path; a relative `cwd` is resolved from the job's own folder. */
export function workingDirectory(definition: ProcessDefinition, values: BaseValues): string {
  return posix.resolve(values.work_dir, substitute(definition.cwd ?? '', values));
}

/** The name that the output will have. */
export function outputNameOf(definition: ProcessDefinition, asked: string | undefined): string {
  const output = definition.output;
  if (asked !== undefined) return asked;
  if (output?.type === 'folder') return 'output.json';
  if (output?.fileName !== undefined) return output.fileName;
  const hasPath = output?.type === 'append' || (output?.type === 'file' && output.via === 'path');
  if (hasPath && !output.path.includes('${') && !output.path.includes('$<')) {
    return posix.basename(output.path);
  }
  return 'output';
}
