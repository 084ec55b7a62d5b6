import { type Command, InvalidArgumentError } from 'commander';
import type { RunDocument } from '../../lib/generated/run-request.js';
import { usageError } from '../client/failure.js';
import type { CliIo } from '../terminal/io.js';
import { collect } from './values.js';

export interface RunOptions {
  /** A file, `-`, false for no input, or undefined for what standard input is. */
  input?: string | false;
  output?: string;
  outputName?: string;
  timeout?: number;
  env?: string[];
  wait: boolean;
  dryRun?: boolean;
  idempotencyKey?: string;
  json?: boolean;
}

/** The options of `penstock run`. */
export function runOptions(command: Command): Command {
  return command
    .option(
      '--input <file>',
      'read the input from a file (default: standard input, unless that is a terminal)',
    )
    .option('--no-input', 'send no input, and leave standard input alone')
    .option('--output <file>', 'write the output to a file, which appears when it is complete')
    .option('--output-name <name>', 'the name that the program sees; some choose a format by the extension')
    .option('--timeout <seconds>', 'end the program after that time', readSeconds)
    .option(
      '--env <key=value>',
      'set a variable for the program; KEY alone passes on your own (repeatable)',
      collect,
    )
    .option('--no-wait', 'only print the uuid of the job')
    .option('--dry-run', 'show what would run, and start nothing')
    .option('--idempotency-key <key>', 'sent twice with the same key, a run is started once');
}

/** What to ask of the server; members that were not given are left out, so that the definition decides. */
export function readRequest(options: RunOptions, io: CliIo): RunDocument {
  return {
    ...(options.env === undefined ? {} : { environment: readEnvironment(options.env, io) }),
    ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
    ...(options.outputName === undefined ? {} : { output: { name: options.outputName } }),
  };
}

/** Refuses what would contradict itself, before anything has been read or sent. */
export function checkOptions(options: RunOptions): void {
  if (options.json === true && options.wait && options.dryRun !== true && options.output === undefined) {
    throw usageError(
      'With --json the output needs another place.',
      'Add --output FILE, --no-wait or --dry-run.',
    );
  }
  if (!options.wait && options.output !== undefined) {
    throw usageError(
      'With --no-wait there is no output to write yet.',
      'Later: penstock job output UUID --output FILE',
    );
  }
}

function readEnvironment(pairs: readonly string[], io: CliIo): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const key = equals === -1 ? pair : pair.slice(0, equals);
    const value = equals === -1 ? io.env[key] : pair.slice(equals + 1);
    if (key === '') throw usageError(`--env needs a name before the equals sign: ${pair}`);
    if (value === undefined) throw usageError(`--env ${key}: there is no such variable to pass on.`);
    environment[key] = value;
  }
  return environment;
}

function readSeconds(text: string): number {
  const seconds = Number(text);
  if (text.trim() === '' || !Number.isFinite(seconds) || seconds <= 0) {
    throw new InvalidArgumentError('It has to be a number of seconds above 0.');
  }
  return seconds;
}
