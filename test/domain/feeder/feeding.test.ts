import { describe, expect, test } from 'vitest';
import { normalise } from '../../../src/domain/definitions/process-definition.js';
import { unbuffered, whyNotFed } from '../../../src/domain/feeder/feeding.js';
import type { DefinitionDocument } from '../../../src/lib/generated/process-definition.js';

const why = (more: Partial<DefinitionDocument>) => whyNotFed(normalise({ exec: 'cat', ...more }));
const adapters = (input: string, output: string): Partial<DefinitionDocument> =>
  ({ input_adapter: { input_type: input }, output_adapter: { output_type: output } }) as never;

describe('a program can be fed message by message', () => {
  test('over standard streams, appended files, pipes and ports', () => {
    expect(why({})).toBeNull();
    for (const type of ['file', 'append', 'pipe', 'port']) {
      expect(why({ argv: ['${input_pipe}'], ...adapters(type, type) })).toBeNull();
    }
  });

  test('but not by what is read as a whole', () => {
    const path = { input_adapter: { input_type: 'file', input_parameters: { file_path: 'a' } } } as const;
    expect(why(path)).toContain('its input is a file at a path');
    const folder = {
      output_adapter: { output_type: 'folder', output_params: { folder_path: 'a' } },
    } as const;
    expect(why(folder)).toContain('its output is a folder');
    expect(why({ argv: ['${output_file.a}'] })).toContain(
      '${output_file.a}, which only a step of a pipeline has',
    );
  });
});

test('it is kept from holding back its records', () => {
  const stdbuf = (parameters: Record<string, unknown>, framing: 'line' | 'nul') =>
    unbuffered(
      normalise({ exec: 'tr', output_adapter: { output_type: 'file', output_parameters: parameters } }),
      framing,
    );
  expect(stdbuf({}, 'line')).toEqual(['stdbuf', '-oL']);
  expect(stdbuf({}, 'nul')).toEqual(['stdbuf', '-o0']);
  expect(stdbuf({ buffering: 'none' }, 'line')).toEqual(['stdbuf', '-o0']);
  expect(stdbuf({ buffering: 'line' }, 'nul')).toEqual(['stdbuf', '-oL']);
  expect(stdbuf({ buffering: 'program' }, 'line')).toBeNull();
  expect(stdbuf({ stream_name: 'STDERR' }, 'line')).toEqual(['stdbuf', '-e0']);
  expect(unbuffered(normalise({ exec: 'tr' }), 'line')).toEqual(['stdbuf', '-oL']);
  expect(unbuffered(normalise({ exec: 'tr', ...adapters('file', 'pipe') }), 'line')).toBeNull();
});
