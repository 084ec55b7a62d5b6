import { type Command, InvalidArgumentError } from 'commander';
import type { RunDocument } from '../../../lib/generated/run-request.js';
import { usageError } from '../../client/failure.js';
import type { CliIo } from '../../terminal/io.js';
import { collect } from '../values.js';

export interface RunOptions {
  /** A file, `-`, false for no input, or undefined for standard input unless that is a terminal. */
  input?: string | false;
  /** A file or `-`, or `NAME=FILE` for one of several outputs. */
  output?: string[];
  /** The folder for every output file. */
  outputs?: string;
  outputName?: string;
  timeout?: number;
  env?: string[];
  wait: boolean;
  dryRun?: boolean;
  idempotencyKey?: string;
  json?: boolean;
  help?: boolean;
}

/** The options of `penstock run`. */
export function runOptions(command: Command): Command {
  return command
    .option('--input <file>', 'read the input from a file (default: standard input, unless it is a terminal)')
    .option('--no-input', 'send no input and leave standard input alone')
    .option(
      '-o, --output <file>',
      'write the output to a file, which appears once it is complete; NAME=FILE for one of several (repeatable)',
      collect,
    )
    .option('--outputs <folder>', 'save every output file in a folder')
    .option('--output-name <name>', 'output file name for the program; some choose a format by the extension')
    .option('--timeout <seconds>', 'end the program after this time', readSeconds)
    .option(
      '--env <key=value>',
      'set a variable for the program; KEY alone passes on your own value (repeatable)',
      collect,
    )
    .option('--no-wait', 'print the UUID of the job and return at once')
    .option('--dry-run', 'show what would run and start nothing')
    .option('--idempotency-key <key>', 'start the run only once, however often it is sent with this key')
    .option('-h, --help', 'display help, with the inputs and outputs of the one that is named');
}

/** The request to the server. What was not given is left out, so that the definition decides. */
export function readRequest(options: RunOptions, io: CliIo): RunDocument {
  return {
    ...(options.env === undefined ? {} : { environment: readEnvironment(options.env, io) }),
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
    ...(options.outputName === undefined ? {} : { output: { name: options.outputName } }),
  };
}

/** Refuses contradictory options before anything is read or sent. */
export function checkOptions({ wait, output, outputs }: RunOptions): void {
  if (!wait && (output !== undefined || outputs !== undefined)) {
    throw usageError(
      'With --no-wait there is no output to write yet.',
      'Later: penstock job output UUID --output FILE',
    );
  }
}

/**
 * Refuses to mix JSON and an output on standard output.
 *
 * @param makesFile whether the program makes a file that would be printed
 */
export function checkJson(options: RunOptions, makesFile: boolean): void {
  const { json, wait, dryRun, output, outputs } = options;
  if (json !== true || !wait || dryRun === true || !makesFile) return;
  if (outputs !== undefined && output === undefined) return;
  if (output !== undefined && !output.some((one) => one === '-' || one.endsWith('=-'))) return;
  throw usageError(
    'With --json the output cannot go to standard output too.',
    'Add --output FILE, --outputs FOLDER, --no-wait or --dry-run.',
  );
}

function readEnvironment(pairs: readonly string[], io: CliIo): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const key = equals === -1 ? pair : pair.slice(0, equals);
    const value = equals === -1 ? io.env[key] : pair.slice(equals + 1);
    if (key === '') throw usageError(`--env needs a name before the equals sign: ${pair}`);
    if (value === undefined)
      throw usageError(`--env ${key}: this variable is not set. Set it, or use --env ${key}=VALUE.`);
    environment[key] = value;
  }
  return environment;
}

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() === '' || !Number.isFinite(seconds) || seconds <= 0) {
    throw new InvalidArgumentError('It must be a number of seconds above 0.');
  }
  return seconds;
}
