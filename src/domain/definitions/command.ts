import { posix } from 'node:path';
import type { RunDocument } from '../../lib/generated/run-request.js';
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
 */
export function buildCommand(
  definition: ProcessDefinition,
  request: Pick<RunDocument, 'environment' | 'timeout'>,
  values: BaseValues,
  defaultTimeout: number | null,
): Command {
  const environment = { ...definition.environment, ...request.environment };
  return {
    exec: definition.exec,
    argv: definition.argv.map((argument) => substitute(argument, values)),
    // fromEntries, because `__proto__` is a legal variable name and assigning to it would lose it.
    environment: Object.fromEntries(
      Object.entries(environment).map(([name, value]) => [name, substitute(value, values)]),
    ),
    cwd: workingDirectory(definition, values),
    timeout: timeoutOf(definition, request, defaultTimeout),
  };
}

/** Whether the command (argv, environment, cwd) mentions a placeholder, so that what it stands for must be created. */
export function usesPlaceholder(definition: ProcessDefinition, name: PlaceholderName): boolean {
  const texts = [...definition.argv, ...Object.values(definition.environment), definition.cwd ?? ''];
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
  const { input } = definition;
  if (input?.type !== 'file' || input.via !== 'path') return false;
  const variables = { ...definition.environment, ...environment };
  return usesPlaceholder({ ...definition, environment: variables }, 'input_file');
}

/** The error for a run that needs an input and has none. */
export const missingInput = ({ name, exec }: ProcessDefinition): string =>
  `${name ?? exec} needs an input file (\${input_file}), and none was sent; send it as the body, or as input.text or input.url`;

/** The names of the files that the command reads besides its input and writes besides its output. */
export function namedFiles(definition: ProcessDefinition): { inputs: string[]; outputs: string[] } {
  const texts = [...definition.argv, ...Object.values(definition.environment)];
  const names = new Set(texts.flatMap(placeholdersIn).filter(isNamedFile));
  const of = (end: string) =>
    [...names].filter((name) => name.startsWith(`${end}.`)).map((name) => name.slice(end.length + 1));
  return { inputs: of('input_file'), outputs: of('output_file') };
}

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
