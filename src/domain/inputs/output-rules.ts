import type { Problem } from '../../lib/errors.js';
import type { DefinitionDocument } from '../../lib/generated/process-definition.js';
import { nearest } from '../../lib/nearest.js';
import { below } from '../../lib/pointer.js';
import { compileSchema, type ValueSchema } from '../../lib/value-schema.js';
import { fileNameProblem } from '../definitions/file-name.js';
import { placeholderProblems, placeholdersIn } from '../definitions/placeholder.js';
import { globProblem } from '../pipelines/glob.js';
import { nameProblem } from './declaration.js';
import { schemaProblems } from './declared-schema.js';
import { type OutputDocument, outputKeywords, outputKindOf, valueSchemaOf } from './output-declaration.js';

/** Where each kind of output may come from. */
const sources = {
  file: ['file_path', 'from'],
  files: ['glob'],
  folder: ['folder_path'],
  value: ['from', 'file_path'],
} as const;
const allSources = ['file_path', 'folder_path', 'glob', 'from'] as const;

/** Problems of declared outputs. */
export function outputProblems(document: DefinitionDocument): Problem[] {
  const { outputs, output_adapter: adapter } = document;
  const problems = Object.entries(outputs ?? {}).flatMap(([name, written]) =>
    oneProblems(name, written, below('/outputs', name), name === adapter?.output),
  );
  problems.push(...outsideProblems(document));
  if (adapter === undefined) return problems;
  const pointer = '/output_adapter/output';
  if (outputs === undefined) {
    if (adapter.output === undefined) return problems;
    return [...problems, { pointer, detail: 'it names a declared output, and there is no "outputs"' }];
  }
  const files = Object.keys(outputs).filter((name) => outputs[name]?.type === 'file');
  if (adapter.output === undefined || !files.includes(adapter.output)) {
    const near = adapter.output === undefined ? undefined : nearest(adapter.output, files);
    const which = files.length === 0 ? 'declare one of type "file"' : `say which: ${files.join(', ')}`;
    const hint = near === undefined ? which : `did you mean "${near}"?`;
    problems.push({ pointer, detail: `it must name the declared file that the adapter collects; ${hint}` });
  }
  return problems;
}

function oneProblems(name: string, written: OutputDocument, pointer: string, byAdapter: boolean): Problem[] {
  const problems: Problem[] = [];
  const add = (key: string, detail: string) => problems.push({ pointer: below(pointer, key), detail });
  const reserved = nameProblem(name);
  if (reserved !== undefined) return [{ pointer, detail: reserved }];
  const kind = outputKindOf(written);
  const given = allSources.filter((key) => written[key] !== undefined);
  const allowed: readonly string[] = byAdapter ? [] : sources[kind];
  for (const key of given) {
    if (byAdapter) add(key, `the output_adapter collects "${name}"; leave ${key} out`);
    else if (!allowed.includes(key))
      add(key, `${key} is not for an output of type "${written.type}"; use ${allowed.join(' or ')}`);
  }
  if (given.length > 1)
    add(given[1] ?? '', `say in one way where "${name}" comes from: ${given.join(' or ')}`);
  if (kind === 'files' && written.glob === undefined) add('glob', 'say which files, such as "frames/*.png"');
  if (kind === 'value' && given.length === 0)
    add('from', 'say where the value is read from: stdout, stderr, exit_code, or a file_path');
  if (kind === 'file' && written.from === 'exit_code')
    add('from', 'an exit code is a value: use "type": "integer"');
  if (written.glob !== undefined) {
    const wrong = globProblem(written.glob);
    if (wrong !== undefined) add('glob', wrong);
    else if (placeholdersIn(written.glob).length > 0)
      add('glob', 'a pattern is taken literally; no placeholder means anything in it');
  }
  for (const key of ['file_path', 'folder_path'] as const) {
    const path = written[key];
    if (path !== undefined) for (const detail of pathDetails(path, name, key)) add(key, detail);
  }
  const wrongName = written.file_name === undefined ? undefined : fileNameProblem(written.file_name);
  if (wrongName !== undefined) add('file_name', wrongName);
  if (written.file_name !== undefined && kind !== 'file')
    add('file_name', `file_name is for files, and "${name}" is not one`);
  if (kind === 'value') return problems.length > 0 ? problems : valueProblems(written, pointer);
  if (written.pointer !== undefined) add('pointer', 'a pointer leads into a value, and this is bytes');
  const known: readonly string[] = [
    ...outputKeywords,
    'type',
    'title',
    'description',
    '$comment',
    'deprecated',
  ];
  for (const key of Object.keys(written)) {
    if (known.includes(key)) continue;
    const near = nearest(key, known);
    add(
      key,
      near === undefined
        ? `${key} means nothing for a ${written.type}`
        : `unknown keyword; did you mean "${near}"?`,
    );
  }
  return problems;
}

/** With a working directory elsewhere, what is relative to it would be looked for outside of the job's folder. */
function outsideProblems({ cwd, outputs }: DefinitionDocument): Problem[] {
  if (cwd === undefined || !cwd.startsWith('/')) return [];
  return Object.entries(outputs ?? {}).flatMap(([name, written]) =>
    (['file_path', 'folder_path', 'glob'] as const).flatMap((key) => {
      const path = written[key];
      if (path === undefined || path === `\${outputs.${name}}`) return [];
      const detail = `${key} is relative to cwd, which is outside of the job's folder; write \${outputs.${name}}, or use an output_adapter`;
      return [{ pointer: below(below('/outputs', name), key), detail }];
    }),
  );
}

/** What is wrong with the path of an output. Fixed absolute paths are for adapters, which move aside what was there before. */
function pathDetails(path: string, name: string, key: string): string[] {
  if (path === `\${outputs.${name}}`) return [];
  const details: string[] = [];
  if (path.startsWith('/'))
    details.push(`${key} must be relative to the working directory, or \${outputs.${name}}`);
  if (path.split('/').includes('..'))
    details.push(`${key} "${path}" could leave the job's folder; it may not contain ".."`);
  details.push(...placeholderProblems(path, '').map(({ detail }) => detail));
  for (const found of placeholdersIn(path)) {
    if (found.startsWith('inputs.') || found === 'job_uuid') continue;
    details.push(`\${${found}} must be all of ${key} or no part of it`);
  }
  return details;
}

function valueProblems(written: OutputDocument, pointer: string): Problem[] {
  const schema = valueSchemaOf(written) as ValueSchema;
  const problems = schemaProblems({ ...written }, pointer, outputKeywords);
  if (problems.length > 0) return problems;
  const check = compileSchema(schema, pointer);
  return Array.isArray(check) ? check : [];
}
