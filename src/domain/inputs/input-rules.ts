import type { Problem } from '../../lib/errors.js';
import type { Argument, DefinitionDocument } from '../../lib/generated/process-definition.js';
import { nearest } from '../../lib/nearest.js';
import { below } from '../../lib/pointer.js';
import { parseSize } from '../../lib/size.js';
import { compileSchema, type ValueSchema } from '../../lib/value-schema.js';
import { fileNameProblem } from '../definitions/file-name.js';
import { unknownInText } from './argument.js';
import {
  type InputDeclaration,
  inputsOf,
  kindOf,
  nameProblem,
  ownKeywords,
  schemaOf,
} from './declaration.js';
import { schemaProblems } from './declared-schema.js';

/** Keywords that only some kinds of inputs have. */
const onlyFor: Readonly<Record<string, readonly string[]>> = {
  media_type: ['file', 'files', 'folder'],
  max_size: ['file', 'files', 'folder'],
  file_name: ['file'],
  stdin: ['file'],
  leading_dash: ['value'],
  placeholder: ['value'],
  multiline: ['value'],
};

/** Keywords of JSON Schema that a file or folder may have. */
const ofFiles = ['type', 'title', 'description', '$comment', 'deprecated'];
const ofSeveral = [...ofFiles, 'items', 'minItems', 'maxItems'];

/** Problems of declared inputs, each taken alone. `pointer` is their place in the body. */
export function declarationProblems(
  inputs: Readonly<Record<string, ValueSchema>> | undefined,
  pointer: string,
): Problem[] {
  const problems = Object.entries(inputs ?? {}).flatMap(([name, written]) =>
    oneProblems(name, written, below(pointer, name)),
  );
  const feeding = Object.entries(inputs ?? {}).filter(([, { stdin }]) => stdin === true);
  for (const [name] of feeding.slice(1)) {
    const detail = `only one input can be standard input, and "${feeding[0]?.[0]}" is`;
    problems.push({ pointer: below(below(pointer, name), 'stdin'), detail });
  }
  return problems;
}

function oneProblems(name: string, written: ValueSchema, pointer: string): Problem[] {
  const problems: Problem[] = [];
  const add = (key: string, detail: string) => problems.push({ pointer: below(pointer, key), detail });
  const reserved = nameProblem(name);
  if (reserved !== undefined) return [{ pointer, detail: reserved }];
  const kind = kindOf(written);
  for (const [key, kinds] of Object.entries(onlyFor)) {
    if (written[key] === undefined || kinds.includes(kind)) continue;
    add(
      key,
      `${key} is for ${kinds.includes('value') ? 'values' : 'files'}, and "${name}" is ${article(kind)}`,
    );
  }
  if (written.optional === true && Object.hasOwn(written, 'default')) {
    add('optional', 'what has a default may be left out anyway; leave one of them out');
  }
  if (written.max_size !== undefined && parseSize(written.max_size as string | number) === undefined) {
    add('max_size', 'it is too large');
  }
  const wrongName = typeof written.file_name === 'string' ? fileNameProblem(written.file_name) : undefined;
  if (wrongName !== undefined) add('file_name', wrongName);
  if (written.secret === true) {
    for (const key of ['default', 'examples', 'enum', 'const']) {
      if (Object.hasOwn(written, key))
        add(key, `a secret has no ${key}: everybody who may run it would see it`);
    }
  }
  if (kind !== 'value') return [...problems, ...fileProblems(written, kind, pointer)];
  const { type, items } = written;
  if ([type].flat().includes('file') || [type].flat().includes('folder')) {
    add('type', 'a file or folder cannot be one of several types');
    return problems;
  }
  if (type === 'array' && (items as ValueSchema | undefined)?.type === 'folder') {
    add('items', 'several folders are not supported; declare an input for each');
    return problems;
  }
  problems.push(...schemaProblems(written, pointer, ownKeywords));
  if (problems.length > 0) return problems;
  const check = compileSchema(schemaOf(written), pointer);
  if (Array.isArray(check)) return check;
  const examples: [string, unknown][] = Object.hasOwn(written, 'default')
    ? [['default', written.default]]
    : [];
  (written.examples as unknown[] | undefined)?.forEach((one, index) => {
    examples.push([`examples/${index}`, one]);
  });
  for (const [key, value] of examples) {
    for (const { detail } of check(value).slice(0, 1)) {
      problems.push({ pointer: `${pointer}/${key}`, detail: `the declaration itself refuses it: ${detail}` });
    }
  }
  return problems;
}

const article = (kind: InputDeclaration['kind']) =>
  kind === 'value' ? 'a value' : kind === 'files' ? 'several files' : `a ${kind}`;

/** A file's declaration has little of JSON Schema. */
function fileProblems(written: ValueSchema, kind: InputDeclaration['kind'], pointer: string): Problem[] {
  const known = kind === 'files' ? ofSeveral : ofFiles;
  const own: readonly string[] = ownKeywords;
  const problems = Object.keys(written)
    .filter((key) => !known.includes(key) && !own.includes(key))
    .map((key) => {
      const near = nearest(key, [...known, ...own]);
      const hint =
        near === undefined
          ? `${key} means nothing for ${article(kind)}`
          : `unknown keyword; did you mean "${near}"?`;
      return { pointer: below(pointer, key), detail: hint };
    });
  if (kind !== 'files') return problems;
  const more = Object.keys(written.items as object).filter((key) => key !== 'type');
  for (const key of more) {
    const detail = `write ${key} beside "items", not inside it`;
    problems.push({ pointer: below(below(pointer, 'items'), key), detail });
  }
  for (const key of ['minItems', 'maxItems']) {
    const number = written[key];
    if (number === undefined || (Number.isSafeInteger(number) && (number as number) >= 0)) continue;
    problems.push({ pointer: below(pointer, key), detail: `${key} must be a whole number, 0 or more` });
  }
  return problems;
}

/** One place where a definition uses an input. */
export interface Use {
  name: string;
  pointer: string;
  /** All of an argument or variable, a part of a longer text, a path, or an object in argv. */
  as: 'argument' | 'variable' | 'part' | 'path' | Argument;
  /** Whether it stands in `argv`. */
  argv: boolean;
}

const byName = (document: DefinitionDocument): ReadonlyMap<string, InputDeclaration> =>
  new Map(inputsOf(document.inputs).map((input) => [input.name, input]));

/** Problems of these uses, each taken alone. */
export function eachUse(document: DefinitionDocument, uses: readonly Use[]): Problem[] {
  const inputs = byName(document);
  return uses.flatMap((use) => {
    const input = inputs.get(use.name);
    if (input === undefined) return [undeclared(use, document)];
    const detail = whyUnusable(input, use, document.input_adapter?.input);
    return detail === undefined ? [] : [{ pointer: use.pointer, detail }];
  });
}

/** Problems of how a definition uses its inputs. Each must have passed `declarationProblems`. */
export function useProblems(document: DefinitionDocument, uses: readonly Use[]): Problem[] {
  const inputs = byName(document);
  const main = document.input_adapter?.input;
  const problems = eachUse(document, uses);
  const used = new Set(uses.map(({ name }) => name));
  for (const { name, stdin } of inputs.values()) {
    if (used.has(name) || stdin || name === main) continue;
    const detail = `nothing uses it: put \${inputs.${name}} into argv or environment${inputs.get(name)?.kind === 'file' ? ', or make it standard input with "stdin": true' : ''}`;
    problems.push({ pointer: below('/inputs', name), detail });
  }
  return [...problems, ...adapterProblems(document, inputs)];
}

function undeclared({ name, pointer }: Use, { inputs }: DefinitionDocument): Problem {
  if (inputs === undefined) {
    return {
      pointer,
      detail: `\${inputs.${name}} needs a declaration: "inputs": {"${name}": {"type": "string"}}`,
    };
  }
  const near = nearest(name, Object.keys(inputs));
  const hint = near === undefined ? 'declare it in "inputs"' : `did you mean "${near}"?`;
  return { pointer, detail: `there is no input "${name}"; ${hint}` };
}

/** Why an input cannot be used there; undefined if it can. */
function whyUnusable(
  input: InputDeclaration,
  { name, as, argv }: Use,
  main: string | undefined,
): string | undefined {
  const isValue = input.kind === 'value';
  if (input.stdin) return `"${name}" is standard input, which has no path`;
  if (input.secret && isValue && as !== 'variable' && as !== 'part')
    return `"${name}" is secret, and everybody on the machine can read arguments and paths; use environment`;
  if (input.secret && isValue && argv) {
    return `"${name}" is secret, and everybody on the machine can read arguments; use environment`;
  }
  const absent = !input.required && !Object.hasOwn(input.written, 'default');
  if (as === 'part' || as === 'path') {
    if (input.kind === 'files') return `"${name}" is several files, which cannot be part of a longer text`;
    if (as === 'path' && !isValue)
      return `"${name}" is ${article(input.kind)}, which cannot be part of a path`;
    if (!absent) return undefined;
    const remedy = argv
      ? `write {"input": "${name}", "prefix": "…", "separate": false}`
      : 'give it a default';
    return `"${name}" may be absent, so it cannot be part of a longer text; ${remedy}`;
  }
  if (as === 'variable') {
    return input.kind === 'files' ? `"${name}" is several files, which one variable cannot hold` : undefined;
  }
  if (as === 'argument') return undefined;
  const strange = unknownInText(as.text ?? '');
  if (strange !== undefined) return `only \${value} stands for something in "text", not ${strange}`;
  if (as.prefix?.includes('${')) return 'a prefix is taken literally; put what changes into "text"';
  const several = input.kind === 'files' || [input.written.type].flat().includes('array');
  if (!several && (as.join !== undefined || as.each !== undefined))
    return `join and each are for arrays, and "${name}" is not one`;
  if (as.join !== undefined && as.each === true)
    return 'join makes one argument, each makes several; give only one of them';
  if (several && as.separate === false && as.join === undefined && as.each !== true)
    return 'say how an array joins its prefix: with "each": true, or "join"';
  if (as.separate !== undefined && as.prefix === undefined)
    return 'separate is about the prefix, and there is none';
  const isSwitch = input.written.type === 'boolean';
  if (isSwitch && as.prefix === undefined && as.text === undefined)
    return `say what stands for "${name}" where it is true: a prefix or a text`;
  return main === name && several ? `"${name}" is carried by the adapter` : undefined;
}

/** With declared inputs, an adapter says which of them it carries. */
function adapterProblems(
  document: DefinitionDocument,
  inputs: ReadonlyMap<string, InputDeclaration>,
): Problem[] {
  const { input_adapter: adapter } = document;
  if (adapter === undefined) return [];
  const pointer = '/input_adapter/input';
  if (document.inputs === undefined) {
    return adapter.input === undefined
      ? []
      : [{ pointer, detail: 'it names a declared input, and there is no "inputs"' }];
  }
  const files = [...inputs.values()].filter(({ kind }) => kind === 'file').map(({ name }) => name);
  if (adapter.input === undefined) {
    return [
      {
        pointer,
        detail: `say which input it carries${files.length === 0 ? '; declare one of type "file"' : `: ${files.join(', ')}`}`,
      },
    ];
  }
  const input = inputs.get(adapter.input);
  if (input === undefined) {
    const near = nearest(adapter.input, files);
    return [
      {
        pointer,
        detail: `there is no input "${adapter.input}"; ${near === undefined ? 'declare it in "inputs"' : `did you mean "${near}"?`}`,
      },
    ];
  }
  const problems: Problem[] = [];
  if (input.kind !== 'file') {
    problems.push({
      pointer,
      detail: `an adapter carries one file, and "${input.name}" is ${article(input.kind)}`,
    });
  }
  const feeding = [...inputs.values()].find(({ stdin }) => stdin);
  if (feeding !== undefined) {
    const detail = `the input_adapter carries "${adapter.input}"; leave one of the two out`;
    problems.push({ pointer: below(below('/inputs', feeding.name), 'stdin'), detail });
  }
  return problems;
}
