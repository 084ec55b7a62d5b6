import type { Argument, DefinitionDocument } from '../../lib/generated/process-definition.js';
import { parseSize } from '../../lib/size.js';
import { type InputDeclaration, inputsOf } from '../inputs/declaration.js';
import { mainOf, type OutputDeclaration, outputsOf } from '../inputs/output-declaration.js';
import { type ServiceRules, serviceOf } from '../services/service.js';
import type { Buffering, ExecutorName, ProcessType } from './definition-document.js';
import { inputParameters, outputParameters } from './definition-document.js';

/** How input reaches the program. `path` may hold placeholders; if it is exactly `${input_file}`, the server chooses it. */
export type Input =
  | { type: 'file'; via: 'stream'; chunkSize?: number }
  | { type: 'file'; via: 'path'; path: string; fileName?: string; chunkSize?: number }
  | { type: 'folder'; path: string }
  /** A file that the program follows. A job's program is ended after it has only waited for more for `quiet` seconds. */
  | { type: 'append'; path: string; fileName?: string; chunkSize?: number; quiet: number }
  | { type: 'pipe'; chunkSize?: number }
  /** `port` null: the server chooses one. */
  | { type: 'port'; port: number | null; chunkSize?: number };

/** How output is collected. `path` may hold placeholders; if it is exactly `${output_file}`, the server chooses it. */
export type Output =
  | { type: 'file'; via: 'stream'; stream: 'STDOUT' | 'STDERR'; buffering?: Buffering; fileName?: string }
  | { type: 'file'; via: 'path'; path: string; fileName?: string }
  | { type: 'folder'; path: string; fileNames: string[] | null }
  | { type: 'append'; path: string; fileName?: string }
  | { type: 'pipe'; fileName?: string }
  /** `port` null: the server chooses one; `input`: the port of the input, on the same connection. */
  | { type: 'port'; port: number | null | 'input'; fileName?: string };

/** A process definition ready to run: one spelling, every default filled in, sizes in bytes, times in seconds. */
export interface ProcessDefinition {
  name: string | null;
  description: string | null;
  exec: string;
  argv: (string | Argument)[];
  environment: Record<string, string>;
  /** As written, with placeholders; null is the job's own folder. */
  cwd: string | null;
  timeout: number | null;
  processType: ProcessType;
  /** How a service is kept running; null if it is not a service. */
  service: ServiceRules | null;
  application: string | null;
  executor: ExecutorName;
  /** The machine of the executor ssh; null if the run names it, or there is none. */
  host: string | null;
  input: Input | null;
  output: Output | null;
  /** The inputs that it declares; null if it declares none, and takes what its adapter and its placeholders say. */
  inputs: InputDeclaration[] | null;
  /** The outputs that it declares; null as for the inputs. */
  outputs: OutputDeclaration[] | null;
  /** The declared input that `input` carries: standard input's, or that of the adapter. */
  mainInput: string | null;
  /** The declared output that `output` collects. */
  mainOutput: string | null;
  metadata: Record<string, unknown>;
  priority: number;
  concurrency: number | null;
  successCodes: number[];
  temporaryFailCodes: number[];
  retries: { limit: number; backoff: { initial: number; factor: number; maximum: number } };
  limits: {
    outputSize: number | null;
    logSize: number | null;
    memory: number | null;
    cpuTime: number | null;
    cpus: number | null;
    processes: number | null;
  };
  killGrace: number;
  tests: DefinitionTest[];
}

/** An example: the result expected for this input. Null accepts any output, or any exit code that means success. */
export interface DefinitionTest {
  name: string | null;
  /** The input's text; null is no input. */
  input: string | null;
  /** The declared inputs, as in a run. */
  inputs: Record<string, unknown>;
  expect: { output: string | null; exitCode: number | null };
}

/**
 * The one shape in which a definition is run. The document is stored as sent; this is derived from it each time. The
 * document must have passed the schema and `checkDefinition`. The defaults are those of the schema.
 */
export function normalise(document: DefinitionDocument): ProcessDefinition {
  const limits = document.limits ?? {};
  const backoff = document.retries?.backoff ?? {};
  const initial = backoff.initial ?? 1;
  return {
    name: document.name ?? document.process_name ?? null,
    description: document.description ?? null,
    exec: document.exec,
    argv: [...(document.argv ?? document.args ?? [])],
    environment: { ...document.environment },
    cwd: document.cwd ?? null,
    timeout: document.timeout ?? null,
    processType: document.process_type ?? 'single',
    service: serviceOf(document),
    application: document.application ?? null,
    executor: document.executor ?? 'local',
    host: document.host ?? null,
    ...declared(document),
    metadata: document.metadata ?? {},
    priority: document.priority ?? 0,
    concurrency: document.concurrency ?? null,
    successCodes: document.success_codes ?? [0],
    temporaryFailCodes: document.temporary_fail_codes ?? [],
    retries: {
      limit: document.retries?.limit ?? 0,
      backoff: { initial, factor: backoff.factor ?? 2, maximum: backoff.maximum ?? Math.max(300, initial) },
    },
    limits: {
      outputSize: bytes(limits.output_size),
      // The logs of a service are cut, not bounded: see its own `logSize`.
      logSize: document.process_type === 'service' ? null : bytes(limits.log_size),
      memory: bytes(limits.memory),
      cpuTime: limits.cpu_time ?? null,
      cpus: limits.cpus ?? null,
      processes: limits.processes ?? null,
    },
    killGrace: document.kill_grace ?? 5,
    tests: (document.tests ?? []).map(({ name, input, inputs, expect }) => {
      const wanted: { output?: string; exit_code?: number } =
        typeof expect === 'string' ? { output: expect } : expect;
      return {
        name: name ?? null,
        input: input ?? null,
        inputs: { ...inputs },
        expect: { output: wanted.output ?? null, exitCode: wanted.exit_code ?? null },
      };
    }),
  };
}

/** The adapters, and what is declared. Without an adapter, the declarations say what goes through the standard streams. */
function declared(
  document: DefinitionDocument,
): Pick<ProcessDefinition, 'input' | 'output' | 'inputs' | 'outputs' | 'mainInput' | 'mainOutput'> {
  const inputs = document.inputs === undefined ? null : inputsOf(document.inputs);
  const outputs = document.outputs === undefined ? null : outputsOf(document.outputs);
  const stdin = inputs?.find((input) => input.stdin);
  const main = mainOf(outputs ?? []);
  const byAdapter = document.output_adapter !== undefined;
  return {
    input: inputOf(document) ?? (stdin === undefined ? null : { type: 'file', via: 'stream' }),
    output: byAdapter || main === undefined ? outputOf(document) : fileOf(main),
    inputs,
    outputs,
    mainInput: inputs === null ? null : (document.input_adapter?.input ?? stdin?.name ?? null),
    mainOutput:
      outputs === null ? null : ((byAdapter ? document.output_adapter?.output : main?.name) ?? null),
  };
}

/** The declared file that is collected as the main output. */
function fileOf({ name, from, path, fileName: wanted }: OutputDeclaration): Output {
  if (from === 'stdout' || from === 'stderr') {
    const stream = from === 'stdout' ? 'STDOUT' : 'STDERR';
    return { type: 'file', via: 'stream', stream, fileName: wanted ?? name };
  }
  if (path === null) return { type: 'file', via: 'path', path: '${output_file}', fileName: wanted ?? name };
  return { type: 'file', via: 'path', path, ...fileName(wanted ?? undefined) };
}

function inputOf(document: DefinitionDocument): Input | null {
  const adapter = inputParameters(document);
  if (adapter === undefined) return null;
  const { type, path, parameters } = adapter;
  if (type === 'folder') return { type, path };
  const chunkSize = bytes(parameters.chunk_size);
  const more = chunkSize === null ? {} : { chunkSize };
  if (type === 'pipe') return { type, ...more };
  if (type === 'port') return { type, port: numberOf(parameters.tcp_port), ...more };
  const named = fileName(parameters.file_name);
  if (type === 'append') return { type, path, ...named, ...more, quiet: parameters.quiet ?? 1 };
  if (!adapter.isPath) return { type, via: 'stream', ...more };
  return { type, via: 'path', path, ...named, ...more };
}

function outputOf(document: DefinitionDocument): Output | null {
  const adapter = outputParameters(document);
  if (adapter === undefined) return null;
  const { type, path, parameters } = adapter;
  if (type === 'folder') {
    const names = parameters.file_names;
    return { type, path, fileNames: names === undefined ? null : [...names] };
  }
  const named = fileName(parameters.file_name);
  if (type === 'pipe') return { type, ...named };
  if (type === 'append') return { type, path, ...named };
  if (type === 'port') {
    const asInput = parameters.tcp_port === '${input_port}';
    return { type, port: asInput ? 'input' : numberOf(parameters.tcp_port), ...named };
  }
  if (adapter.isPath) return { type, via: 'path', path, ...named };
  const stream = parameters.stream_name === 'STDERR' ? 'STDERR' : 'STDOUT';
  const { buffering } = parameters;
  return { type, via: 'stream', stream, ...(buffering === undefined ? {} : { buffering }), ...named };
}

const numberOf = (port: number | string | undefined) => (typeof port === 'number' ? port : null);

function fileName(name: string | undefined): { fileName?: string } {
  return name === undefined ? {} : { fileName: name };
}

function bytes(size: number | string | undefined): number | null {
  return size === undefined ? null : (parseSize(size) ?? null);
}
