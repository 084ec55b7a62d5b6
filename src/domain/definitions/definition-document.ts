import type { Argument, DefinitionDocument } from '../../lib/generated/process-definition.js';
import { below } from '../../lib/pointer.js';
import { isPlaceholder } from './placeholder.js';

export type AdapterType = NonNullable<DefinitionDocument['input_adapter']>['input_type'];
export type ExecutorName = NonNullable<DefinitionDocument['executor']>;
export type ProcessType = NonNullable<DefinitionDocument['process_type']>;
/** When a program that ended is restarted: always, unless it exited with a success code, or never. */
export type RestartMode = NonNullable<NonNullable<DefinitionDocument['service']>['restart_mode']>;
/** How a program that is fed message by message buffers its standard output: by lines, not at all, or as it likes. */
export type Buffering = 'line' | 'none' | 'program';

/** Parameters of file input and file output; the schema says which belong to which. */
interface FileParameters {
  file_type?: 'stream' | 'path';
  stream_name?: 'STDIN' | 'STDOUT' | 'STDERR';
  file_path?: string;
  file?: string;
  file_name?: string;
  chunk_size?: number | string;
  buffering?: Buffering;
}

/** Parameters that only `append` and `port` have, beyond those of files. */
interface FedParameters {
  /** Seconds. */
  quiet?: number;
  tcp_port?: number | string;
}

/** Parameters of folder input and folder output; `file_names` is for output. */
interface FolderParameters {
  folder_path?: string;
  file_names?: string[];
}

export type AnyParameters = FileParameters & FolderParameters & FedParameters;

/** One adapter of a document, in either spelling, with the place of its parameters in the document. */
export interface AdapterParameters {
  type: AdapterType;
  parameters: AnyParameters;
  /** Where the parameters are, such as `/input_adapter/input_params`. */
  pointer: string;
  /** A file at a path rather than a standard stream or a folder. */
  isPath: boolean;
  /** The path of the folder, or of the file if `isPath`; by default the server chooses it. */
  path: string;
  /** The key that gives the path: `file_path`, or the older `file`; `folder_path` for a folder. */
  pathKey: 'file_path' | 'file' | 'folder_path';
}

/** Reads the input adapter; undefined if there is none. */
export function inputParameters({
  input_adapter: adapter,
}: DefinitionDocument): AdapterParameters | undefined {
  if (adapter === undefined) return undefined;
  const key =
    adapter.input_parameters === undefined && adapter.input_params ? 'input_params' : 'input_parameters';
  return read(adapter.input_type, adapter[key] ?? {}, `/input_adapter/${key}`, 'input_file');
}

/** Reads the output adapter; undefined if there is none. */
export function outputParameters({
  output_adapter: adapter,
}: DefinitionDocument): AdapterParameters | undefined {
  if (adapter === undefined) return undefined;
  const key =
    adapter.output_parameters === undefined && adapter.output_params ? 'output_params' : 'output_parameters';
  return read(adapter.output_type, adapter[key] ?? {}, `/output_adapter/${key}`, 'output_file');
}

/** The arguments of a definition, in either spelling, each with its place. */
export function argumentsIn(
  definition: Pick<DefinitionDocument, 'argv' | 'args'>,
): { argument: string | Argument; pointer: string }[] {
  const key = definition.argv === undefined ? 'args' : 'argv';
  return (definition[key] ?? []).map((argument, index) => ({ argument, pointer: `/${key}/${index}` }));
}

/** The texts of a definition that make up the command, each with its place. */
export function commandTexts(definition: DefinitionDocument): { text: string; pointer: string }[] {
  return [
    ...argumentsIn(definition).flatMap(({ argument, pointer }) =>
      typeof argument === 'string' ? [{ text: argument, pointer }] : [],
    ),
    ...Object.entries(definition.environment ?? {}).map(([name, text]) => ({
      text,
      pointer: below('/environment', name),
    })),
    ...(definition.cwd === undefined ? [] : [{ text: definition.cwd, pointer: '/cwd' }]),
  ];
}

function read(
  type: AdapterType,
  parameters: AnyParameters,
  pointer: string,
  own: 'input_file' | 'output_file',
): AdapterParameters {
  if (type === 'folder') {
    const path = parameters.folder_path ?? '';
    return { type, parameters, pointer, isPath: false, path, pathKey: 'folder_path' };
  }
  if (type === 'pipe' || type === 'port') {
    return { type, parameters, pointer, isPath: false, path: '', pathKey: 'file_path' };
  }
  const given = parameters.file_path ?? parameters.file;
  // A path implies that the file is not a stream; the registry's own examples leave `file_type` out.
  const isPath =
    type === 'append' ||
    parameters.file_type === 'path' ||
    (parameters.file_type === undefined && given !== undefined);
  const pathKey = parameters.file_path === undefined && parameters.file !== undefined ? 'file' : 'file_path';
  const path = given === undefined || isPlaceholder(given, own) ? `\${${own}}` : given;
  return { type, parameters, pointer, isPath, path, pathKey };
}
