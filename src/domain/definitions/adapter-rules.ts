import type { Problem } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { below } from '../../lib/pointer.js';
import { type AdapterParameters, argumentsIn, commandTexts } from './definition-document.js';
import { fileNameProblem } from './file-name.js';
import {
  declaredIn,
  isNamedFile,
  isPlaceholder,
  type PlaceholderName,
  placeholderProblems,
  placeholdersIn,
} from './placeholder.js';

/** Why a placeholder has no meaning with these adapters, as the rest of a sentence; undefined if it has one. */
export function whyMeaningless(
  name: PlaceholderName,
  input: AdapterParameters | undefined,
  output: AdapterParameters | undefined,
): string | undefined {
  // A named or declared file needs no adapter: the run supplies it.
  if (name === 'work_dir' || name === 'job_uuid' || isNamedFile(name)) return undefined;
  if (declaredIn(name) !== undefined) return undefined;
  const [end, kind] = name.split('_') as ['input' | 'output', 'file' | 'pipe' | 'port'];
  const adapter = end === 'input' ? input : output;
  if (kind !== 'file') {
    return adapter?.type === kind
      ? undefined
      : `means something only with an ${end}_adapter of type "${kind}"`;
  }
  if (adapter?.isPath) return undefined;
  const remedy = `"file_path": "\${${name}}"`;
  if (adapter === undefined) {
    const shape = `{"${end}_type": "file", "${end}_parameters": {${remedy}}}`;
    return `means nothing without an ${end}_adapter; add "${end}_adapter": ${shape}`;
  }
  if (adapter.type === 'folder') {
    return `means nothing here, because the ${end} is a folder; write the path of a file in it`;
  }
  if (adapter.type === 'pipe' || adapter.type === 'port') {
    const what = adapter.type === 'pipe' ? 'a named pipe' : 'a port';
    return `means nothing here, because the ${end} is ${what}; use \${${end}_${adapter.type}}`;
  }
  const stream = adapter.parameters.stream_name ?? (end === 'input' ? 'STDIN' : 'STDOUT');
  return `means nothing here, because the ${end} is ${stream}; for a file give ${end}_adapter ${remedy}`;
}

/** Whether a placeholder may be part of a path that a definition names. */
export const inPaths = (name: PlaceholderName): boolean =>
  name === 'work_dir' || name === 'job_uuid' || declaredIn(name)?.end === 'inputs';

/** Parameters of one adapter must describe a stream or a file, not both. */
export function parameterProblems(
  adapter: AdapterParameters | undefined,
  own: 'input_file' | 'output_file',
): Problem[] {
  if (adapter === undefined) return [];
  if (adapter.type === 'folder') return folderProblems(adapter);
  if (adapter.type === 'pipe' || adapter.type === 'port') return nameProblems(adapter);
  const { parameters, pointer, pathKey, path } = adapter;
  const found: Problem[] = [];
  const add = (key: string, detail: string) => found.push({ pointer: below(pointer, key), detail });
  const hasPath = parameters[pathKey] !== undefined;
  const end = own === 'input_file' ? 'input' : 'output';
  if (hasPath && parameters.file_type === 'stream') {
    add(pathKey, `${pathKey} is for files, but file_type is "stream"; leave one of them out`);
  }
  if (adapter.isPath && parameters.stream_name !== undefined) {
    const because = hasPath ? `there is a ${pathKey}` : 'file_type is "path"';
    add('stream_name', `stream_name is for streams, but ${because}; leave one of them out`);
  }
  if (hasPath) found.push(...pathProblems(path, own, below(pointer, pathKey), pathKey));
  found.push(...nameProblems(adapter));
  if (parameters.file_name === undefined) return found;
  if (end === 'input' && !isPlaceholder(path, own)) {
    add('file_name', `file_name is for an input whose place the server chooses, but file_path is "${path}"`);
  } else if (end === 'input' && !adapter.isPath) {
    add('file_name', 'file_name is for files, but the input is STDIN, which has no name');
  }
  return found;
}

/** Problems of `file_name`. */
function nameProblems({ parameters: { file_name: name }, pointer }: AdapterParameters): Problem[] {
  if (name === undefined) return [];
  const wrong = fileNameProblem(name);
  if (wrong !== undefined) return [{ pointer: below(pointer, 'file_name'), detail: wrong }];
  if (placeholdersIn(name).length === 0) return [];
  const detail = `file_name is taken literally; ${literal(name)} means nothing in it`;
  return [{ pointer: below(pointer, 'file_name'), detail }];
}

/** The output may name the input's port, but not the other way round. */
export function portProblems(
  input: AdapterParameters | undefined,
  output: AdapterParameters | undefined,
): Problem[] {
  const found: Problem[] = [];
  const add = (adapter: AdapterParameters, detail: string) =>
    found.push({ pointer: below(adapter.pointer, 'tcp_port'), detail });
  if (input?.parameters.tcp_port === '${output_port}') {
    add(
      input,
      'tcp_port of the input must be a number or "${input_port}"; only the output may name the other port',
    );
  }
  if (output?.parameters.tcp_port === '${input_port}' && input?.type !== 'port') {
    add(output, '${input_port} means something only with an input_adapter of type "port"');
  }
  return found;
}

/** Problems of a folder's parameters. */
function folderProblems({ parameters, pointer, path, pathKey }: AdapterParameters): Problem[] {
  const place = below(pointer, pathKey);
  // The schema notices that it is missing among the parameters, but not that there are no parameters.
  if (path === '') return [{ pointer: place, detail: `${pathKey} is required but missing` }];
  const problems = placeholderProblems(path, place);
  for (const name of placeholdersIn(path)) {
    if (inPaths(name)) continue;
    problems.push({ pointer: place, detail: `\${${name}} means nothing in this ${pathKey}` });
  }
  if (leavesFolder(path)) problems.push({ pointer: place, detail: outside(pathKey, path) });
  parameters.file_names?.forEach((name, index) => {
    const at = below(below(pointer, 'file_names'), index);
    const wrong = fileNameProblem(name);
    if (wrong !== undefined) problems.push({ pointer: at, detail: wrong });
    if (placeholdersIn(name).length > 0) {
      const detail = `file_names are taken literally; ${literal(name)} means nothing in one`;
      problems.push({ pointer: at, detail });
    }
  });
  return problems;
}

function pathProblems(
  path: string,
  own: 'input_file' | 'output_file',
  pointer: string,
  key: string,
): Problem[] {
  if (isPlaceholder(path, own)) return [];
  const problems = placeholderProblems(path, pointer);
  for (const name of placeholdersIn(path)) {
    if (inPaths(name)) continue;
    const detail = name === own ? `must be all of ${key} or no part of it` : `means nothing in this ${key}`;
    problems.push({ pointer, detail: `\${${name}} ${detail}` });
  }
  if (leavesFolder(path)) problems.push({ pointer, detail: outside(key, path) });
  if (path.split('/').some((name) => Buffer.byteLength(name) > 255)) {
    problems.push({ pointer, detail: `${key} holds a name that is longer than 255 bytes` });
  }
  if (isPlaceholder(path, 'work_dir') || /(^|\/)\.?$/.test(path)) {
    problems.push({ pointer, detail: `${key} must name a file; "${path}" is a folder` });
  }
  return problems;
}

/** The program can only find a file whose path the server chooses if something tells it the path. */
export function unusedFiles(
  definition: DefinitionDocument,
  input: AdapterParameters | undefined,
  output: AdapterParameters | undefined,
): Problem[] {
  const used = new Set<string>(commandTexts(definition).flatMap(({ text }) => placeholdersIn(text)));
  for (const { argument } of argumentsIn(definition)) {
    if (typeof argument !== 'string') used.add(`inputs.${argument.input}`);
  }
  // A declared input or output that an adapter carries stands for the adapter's own placeholder.
  const stands = {
    input: `inputs.${definition.input_adapter?.input}`,
    output: `outputs.${definition.output_adapter?.output}`,
  };
  const unused = (adapter: AdapterParameters | undefined, end: 'input' | 'output', verb: string) => {
    if (adapter === undefined) return [];
    const say = (key: string, detail: string) => [
      {
        pointer: below(adapter.pointer, key),
        detail: `nothing tells the program where to ${verb}: ${detail}`,
      },
    ];
    const { type, pathKey, parameters } = adapter;
    if (used.has(stands[end])) return [];
    if (type === 'pipe') {
      return used.has(`${end}_pipe`) ? [] : say('', `use \${${end}_pipe} in argv`).map(inAdapter);
    }
    if (type === 'port') {
      const own = parameters.tcp_port === '${input_port}' ? 'input_port' : (`${end}_port` as const);
      if (typeof parameters.tcp_port === 'number' || used.has(own)) return [];
      return say('tcp_port', `use \${${own}} in argv, or make tcp_port the port that it listens on`);
    }
    const own = `${end}_file` as const;
    if (!adapter.isPath || !isPlaceholder(adapter.path, own) || used.has(own)) return [];
    return say(pathKey, `use \${${own}} in argv, or make ${pathKey} the path that it ${verb}s`);
  };
  return [...unused(input, 'input', 'read'), ...unused(output, 'output', 'write')];
}

/** A problem of an adapter without a parameter to point at: it points at the adapter's type. */
const inAdapter = ({ pointer, detail }: Problem): Problem => ({
  pointer: pointer.replace(/^\/(input|output)_adapter\/.*$/, '/$1_adapter/$1_type'),
  detail,
});

/** Whether a relative path, which is meant to stay in the job's folder, could lead out of it by `..`. */
export function leavesFolder(path: string): boolean {
  return !path.startsWith('/') && path.split('/').includes('..');
}

/** The sentence about such a path. */
export function outside(key: string, path: string): string {
  return `${key} "${path}" could leave the job's folder; a relative path may not contain ".."`;
}

/** The placeholders of a text as written, for a sentence. */
export function literal(text: string): string {
  return placeholdersIn(text)
    .map((name) => `\${${name}}`)
    .join(', ');
}
