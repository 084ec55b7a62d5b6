import type { Problem } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { nearest } from '../../lib/nearest.js';
import { below } from '../../lib/pointer.js';
import { parseSize } from '../../lib/size.js';
import { declarationProblems, eachUse, type Use, useProblems } from '../inputs/input-rules.js';
import { givenProblems, takerOf } from '../inputs/input-values.js';
import { outputProblems } from '../inputs/output-rules.js';
import { serviceProblems } from '../services/service-rules.js';
import {
  inPaths,
  leavesFolder,
  literal,
  outside,
  parameterProblems,
  portProblems,
  unusedFiles,
  whyMeaningless,
} from './adapter-rules.js';
import { onlyInput } from './command.js';
import {
  type AdapterParameters,
  argumentsIn,
  commandTexts,
  inputParameters,
  outputParameters,
} from './definition-document.js';
import { declaredIn, isNamedFile, placeholderProblems, placeholdersIn } from './placeholder.js';
import { normalise } from './process-definition.js';
import { remoteProblems } from './remote-rules.js';

/** The longest list of problems: a single argument can hold thousands of unknown names. */
const mostProblems = 50;

/**
 * The rules that a JSON Schema cannot state: keys given in two spellings, placeholders that are unknown or have no
 * meaning with these adapters, parameters that contradict each other.
 *
 * The document must have passed `schemas/process-definition.json`. `prefix` is its place in the body.
 */
export function checkDefinition(definition: DefinitionDocument, prefix = ''): Problem[] {
  const input = inputParameters(definition);
  const output = outputParameters(definition);
  const inTexts = textProblems(definition, input, output);
  const ofPorts = portProblems(input, output);
  return [
    ...spelledTwice(definition),
    ...inTexts,
    ...parameterProblems(input, 'input_file'),
    ...parameterProblems(output, 'output_file'),
    ...ofPorts,
    // A misspelt placeholder is the likeliest reason why a file seems unused, and has been reported already.
    ...(inTexts.length + ofPorts.length > 0 ? [] : unusedFiles(definition, input, output)),
    ...declaredProblems(definition, input),
    ...sizeProblems(definition, input),
    ...numberProblems(definition),
    ...serviceProblems(definition),
    ...remoteProblems(definition),
  ]
    .slice(0, mostProblems)
    .map(({ pointer, detail }) => ({ pointer: prefix + pointer, detail }));
}

/**
 * The run's variables, which override the definition's: their placeholders follow the same rules. `prefix` is their
 * place in the body.
 */
export function checkEnvironment(
  definition: DefinitionDocument,
  environment: Readonly<Record<string, string>>,
  prefix = '/environment',
): Problem[] {
  const texts = Object.entries(environment).map(([name, text]) => ({ text, pointer: below(prefix, name) }));
  const uses = texts.flatMap(({ text, pointer }) => usesIn(text, pointer, 'variable', false));
  return [
    ...placeholderUse(texts, inputParameters(definition), outputParameters(definition)),
    ...wrongNames(definition, texts),
    ...eachUse(definition, uses),
  ].slice(0, mostProblems);
}

/** Two keys that mean the same: it is unclear which of them counts. */
function spelledTwice(definition: DefinitionDocument): Problem[] {
  const twice = (object: object | undefined, place: string, key: string, other: string): Problem[] =>
    object && Object.hasOwn(object, key) && Object.hasOwn(object, other)
      ? [{ pointer: `${place}/${other}`, detail: `${other} and ${key} mean the same; give only one of them` }]
      : [];
  const output = outputParameters(definition);
  return [
    ...twice(definition, '', 'argv', 'args'),
    ...twice(definition, '', 'name', 'process_name'),
    ...twice(definition.input_adapter, '/input_adapter', 'input_parameters', 'input_params'),
    ...twice(definition.output_adapter, '/output_adapter', 'output_parameters', 'output_params'),
    ...twice(output?.parameters, output?.pointer ?? '', 'file_path', 'file'),
  ];
}

/** Each placeholder must exist, and must have a meaning with these adapters. */
function placeholderUse(
  texts: { text: string; pointer: string }[],
  input: AdapterParameters | undefined,
  output: AdapterParameters | undefined,
): Problem[] {
  return texts.flatMap(({ text, pointer }) => [
    ...placeholderProblems(text, pointer),
    ...placeholdersIn(text).flatMap((name) => {
      const detail = whyMeaningless(name, input, output);
      return detail === undefined ? [] : [{ pointer, detail: `\${${name}} ${detail}` }];
    }),
  ]);
}

/** Placeholders in the command, and in places where none are allowed. */
function textProblems(
  definition: DefinitionDocument,
  input: AdapterParameters | undefined,
  output: AdapterParameters | undefined,
): Problem[] {
  const problems = placeholderUse(commandTexts(definition), input, output);
  if (placeholdersIn(definition.exec).length > 0) {
    problems.push({
      pointer: '/exec',
      detail: `exec is taken literally; ${literal(definition.exec)} belongs in argv`,
    });
  }
  const { cwd = '' } = definition;
  if (leavesFolder(cwd)) problems.push({ pointer: '/cwd', detail: outside('cwd', cwd) });
  if (placeholdersIn(cwd).some((name) => !inPaths(name))) {
    problems.push({ pointer: '/cwd', detail: `cwd is a folder; ${literal(cwd)} is not` });
  }
  return problems;
}

/** Problems of declared inputs and outputs, and of how they are used. */
function declaredProblems(definition: DefinitionDocument, input: AdapterParameters | undefined): Problem[] {
  const own = declarationProblems(definition.inputs, '/inputs');
  if (own.length > 0) return own;
  const { outputs = {} } = definition;
  const wrong = wrongNames(definition, commandTexts(definition));
  const paths = [
    ...(input === undefined ? [] : [{ text: input.path, pointer: below(input.pointer, input.pathKey) }]),
    ...adapterPath(outputParameters(definition)),
    ...Object.entries(outputs).flatMap(([name, { file_path, folder_path }]) =>
      Object.entries({ file_path, folder_path }).flatMap(([key, text]) =>
        text === undefined ? [] : [{ text, pointer: below(below('/outputs', name), key) }],
      ),
    ),
  ];
  const all = [
    ...wrong,
    ...useProblems(definition, usesOf(definition, paths)),
    ...outputProblems(definition),
  ];
  if (all.length === 0) all.push(...unusedOutputs(definition));
  return all.length > 0 || definition.inputs === undefined
    ? all
    : givenProblems(takerOf(normalise(definition)));
}

/** Placeholders of outputs that are not declared or have no path, and older ones where a declaration takes their place. */
function wrongNames(
  definition: DefinitionDocument,
  texts: readonly { text: string; pointer: string }[],
): Problem[] {
  return texts.flatMap(({ text, pointer }) =>
    placeholdersIn(text).flatMap((found): Problem[] => {
      const { end, name = '' } = declaredIn(found) ?? {};
      if (end === 'outputs') {
        const detail = outputUse(definition, name);
        return detail === undefined ? [] : [{ pointer, detail }];
      }
      if (!isNamedFile(found)) return [];
      const [file = '', own = ''] = found.split('.');
      const declared = file === 'input_file' ? definition.inputs : definition.outputs;
      if (declared === undefined) return [];
      const key = file === 'input_file' ? 'inputs' : 'outputs';
      return [{ pointer, detail: `with declared ${key}, write \${${key}.${own}} for \${${found}}` }];
    }),
  );
}

/** Outputs at a path that the server chooses and that nothing tells the program. */
function unusedOutputs(definition: DefinitionDocument): Problem[] {
  const used = new Set<string>(commandTexts(definition).flatMap(({ text }) => placeholdersIn(text)));
  return Object.keys(definition.outputs ?? {}).flatMap((name) => {
    const carried = name === definition.output_adapter?.output;
    if (carried || used.has(`outputs.${name}`) || outputUse(definition, name) !== undefined) return [];
    const detail = `nothing tells the program where to write it: use \${outputs.${name}} in argv, or say where it is`;
    return [{ pointer: below('/outputs', name), detail }];
  });
}

const adapterPath = (adapter: AdapterParameters | undefined) =>
  adapter === undefined ? [] : [{ text: adapter.path, pointer: below(adapter.pointer, adapter.pathKey) }];

/** Why the command cannot name that output; undefined if it can. */
function outputUse({ outputs }: DefinitionDocument, name: string): string | undefined {
  const output = Object.hasOwn(outputs ?? {}, name) ? outputs?.[name] : undefined;
  if (output === undefined) {
    const near = nearest(name, Object.keys(outputs ?? {}));
    const hint = near === undefined ? 'declare it in "outputs"' : `did you mean "${near}"?`;
    return `there is no output "${name}"; ${hint}`;
  }
  const path = output.file_path ?? output.folder_path;
  const chosen = path === undefined || path === `\${outputs.${name}}`;
  if (
    (output.type === 'file' || output.type === 'folder' || output.file_path !== undefined) &&
    chosen &&
    output.from === undefined
  )
    return undefined;
  return `"${name}" has no path that the server chooses`;
}

/** The uses of declared inputs in a text. `whole` is what it is if it is nothing but one input; null for a path. */
const usesIn = (text: string, pointer: string, whole: 'argument' | 'variable' | null, argv: boolean): Use[] =>
  placeholdersIn(text).flatMap((found): Use[] => {
    const { end, name = '' } = declaredIn(found) ?? {};
    if (end !== 'inputs') return [];
    const as = whole === null ? 'path' : onlyInput(text) === undefined ? 'part' : whole;
    return [{ name, pointer, as, argv }];
  });

/** Every use of a declared input, with its place. */
function usesOf(definition: DefinitionDocument, paths: readonly { text: string; pointer: string }[]): Use[] {
  return [
    ...argumentsIn(definition).flatMap(({ argument, pointer }): Use[] =>
      typeof argument === 'string'
        ? usesIn(argument, pointer, 'argument', true)
        : [{ name: argument.input, pointer, as: argument, argv: true }],
    ),
    ...Object.entries(definition.environment ?? {}).flatMap(([key, text]) =>
      usesIn(text, below('/environment', key), 'variable', false),
    ),
    ...[
      ...(definition.cwd === undefined ? [] : [{ text: definition.cwd, pointer: '/cwd' }]),
      ...paths,
    ].flatMap(({ text, pointer }) => usesIn(text, pointer, null, false)),
  ];
}

/** The schema checks only the form of a size; its value is checked here. */
function sizeProblems(definition: DefinitionDocument, input: AdapterParameters | undefined): Problem[] {
  const { output_size, log_size, memory } = definition.limits ?? {};
  const sizes: [string, number | string | undefined][] = [
    ['/limits/output_size', output_size],
    ['/limits/log_size', log_size],
    ['/limits/memory', memory],
    [`${input?.pointer}/chunk_size`, input?.parameters.chunk_size],
  ];
  return sizes.flatMap(([pointer, size]) => {
    if (size === undefined) return [];
    const bytes = parseSize(size);
    const label = pointer.split('/').at(-1);
    if (bytes === undefined) return [{ pointer, detail: `${label} "${size}" is too large` }];
    return bytes === 0 ? [{ pointer, detail: `${label} must be at least one byte, not "${size}"` }] : [];
  });
}

function numberProblems(definition: DefinitionDocument): Problem[] {
  const problems: Problem[] = [];
  for (const key of ['retries', 'service'] as const) {
    const { initial, maximum } = definition[key]?.backoff ?? {};
    if (maximum === undefined || maximum >= (initial ?? 1)) continue;
    const detail = `${key}.backoff.maximum is ${maximum}, less than the first wait (initial: ${initial ?? 1})`;
    problems.push({ pointer: `/${key}/backoff/maximum`, detail });
  }
  const success = new Set(definition.success_codes ?? [0]);
  definition.temporary_fail_codes?.forEach((code, index) => {
    if (!success.has(code)) return;
    const detail = `exit code ${code} cannot be a success (success_codes) and a temporary failure at once`;
    problems.push({ pointer: `/temporary_fail_codes/${index}`, detail });
  });
  return problems;
}
