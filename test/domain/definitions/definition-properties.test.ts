import fc from 'fast-check';
import { expect, test } from 'vitest';
import { buildCommand } from '../../../src/domain/definitions/command.js';
import { checkDefinition } from '../../../src/domain/definitions/definition-rules.js';
import { inputPlace, outputPlace, shownPlaces } from '../../../src/domain/definitions/places.js';
import { normalise } from '../../../src/domain/definitions/process-definition.js';
import type { DefinitionDocument } from '../../../src/lib/generated/process-definition.js';
import { validator } from '../../../src/lib/schemas.js';

const check = validator('process-definition');

const path = fc.constantFrom(
  '${input_file}',
  '${output_file}',
  'a.out',
  '$<input_file>',
  '../x',
  '/x',
  '${work_dir}/a',
  '${input_pipe}',
  '${output_pipe}',
  '${input_port}',
  '${output_port}',
  '${input_file.a}',
);
const text = fc.oneof({ weight: 3, arbitrary: path }, fc.string());
const input = fc.record(
  { file_type: fc.constantFrom('stream', 'path'), file_path: path },
  { requiredKeys: [] },
);
const output = fc.record(
  { stream_name: fc.constantFrom('STDOUT', 'STDERR'), file_path: path, file: path, file_name: text },
  { requiredKeys: [] },
);
const folder = fc.record(
  { folder_path: path, file_names: fc.uniqueArray(text, { minLength: 1, maxLength: 3 }) },
  { requiredKeys: ['folder_path'] },
);
const port = fc.constantFrom<number | string>(8090, '${input_port}', '${output_port}');
/** The adapters whose bytes are brought and fetched. */
const fed = (end: 'input' | 'output') =>
  fc
    .record({
      type: fc.constantFrom('append', 'pipe', 'port'),
      path,
      port,
      name: fc.option(text, { nil: undefined }),
    })
    .map(({ type, path: file, port: number, name }) => {
      const parameters =
        type === 'append' ? { file_path: file } : type === 'port' ? { tcp_port: number } : ({} as object);
      const named = name === undefined || (end === 'input' && type !== 'append') ? {} : { file_name: name };
      return { [`${end}_type`]: type, [`${end}_parameters`]: { ...parameters, ...named } };
    });
const definition = fc.record(
  {
    exec: fc.constant('cat'),
    argv: fc.array(text, { maxLength: 4 }),
    cwd: path,
    environment: fc.dictionary(fc.constantFrom('A', 'B', '__proto__'), text),
    input_adapter: fc.oneof(
      fc.record({ input_type: fc.constant('file'), input_parameters: input }),
      fc.record({ input_type: fc.constant('folder'), input_params: fc.record({ folder_path: path }) }),
      fed('input'),
    ),
    output_adapter: fc.oneof(
      fc.record({ output_type: fc.constant('file'), output_params: output }),
      fc.record({ output_type: fc.constant('folder'), output_parameters: folder }),
      fed('output'),
    ),
  },
  { requiredKeys: ['exec'] },
);

test('whatever is sent, the answer is a list of problems in the right place', () => {
  fc.assert(
    fc.property(fc.oneof(fc.anything(), definition), (value) => {
      for (const { pointer, detail } of check(value, '/definition')) {
        expect(pointer === '/definition' || pointer.startsWith('/definition/')).toBe(true);
        expect(detail).not.toBe('');
      }
    }),
    { numRuns: 1000 },
  );
});

test('what passes the checks can be run, and a relative file stays in its folder', () => {
  let passed = 0;
  fc.assert(
    fc.property(definition, (value) => {
      if (check(value).length > 0 || checkDefinition(value as DefinitionDocument).length > 0) return;
      passed += 1;
      const canonical = normalise(value as DefinitionDocument);
      const base = { work_dir: '/jobs/7', job_uuid: 'u-7' };
      const run = { definition: canonical, folder: '/jobs/7/1', input: { name: 'in' }, outputName: 'out' };
      const [before, after] = [inputPlace({ ...run, values: base }), outputPlace({ ...run, values: base })];
      const { values } = shownPlaces({ ...run, values: base });
      const command = buildCommand(canonical, {}, values, null);
      expect(command.cwd.startsWith('/')).toBe(true);
      for (const place of [before, after]) {
        if (place.kind === 'folder' || place.kind === 'file')
          expect(place.path).toMatch(/^(\/jobs\/7\/.+|\/x|\/x\/.+)$/);
      }
    }),
    { numRuns: 20_000 },
  );
  expect(passed).toBeGreaterThan(50);
});
