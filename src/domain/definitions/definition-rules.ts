import type { Problem } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { below } from '../../lib/pointer.js';
import { parseSize } from '../../lib/size.js';
import { serviceProblems } from '../services/service-rules.js';
import {
  leavesFolder,
  literal,
  outside,
  parameterProblems,
  portProblems,
  unusedFiles,
  whyMeaningless,
} from './adapter-rules.js';
import {
  type AdapterParameters,
  commandTexts,
  inputParameters,
  outputParameters,
} from './definition-document.js';
import { placeholderProblems, placeholdersIn } from './placeholder.js';
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
  return placeholderUse(texts, inputParameters(definition), outputParameters(definition)).slice(
    0,
    mostProblems,
  );
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
  if (placeholdersIn(cwd).some((name) => name !== 'work_dir' && name !== 'job_uuid')) {
    problems.push({ pointer: '/cwd', detail: `cwd is a folder; ${literal(cwd)} is not` });
  }
  return problems;
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
