import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import { adapterPairs } from '../conformance/adapter.js';
import { pipeConformance } from '../conformance/pipes.js';

/** The folder below which servers work: with the connector `local` they are this machine. */
const base = mkdtempSync(path.join(os.tmpdir(), 'penstock-far-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const where = {
  application: { CONNECTOR: 'local', VIRTUAL_SERVER_TTL: 100, REMOTE_BASE_FOLDER: base },
  definition: { executor: 'cloud' },
};

adapterPairs(
  [
    { name: 'STDIN', type: 'file', script: 'cat', place: '' },
    {
      name: 'a path',
      type: 'file',
      parameters: { file_path: '${input_file}' },
      script: 'cat "$1"',
      place: '${input_file}',
    },
    { name: 'pipe', type: 'pipe', script: 'cat "$1"', place: '${input_pipe}' },
  ],
  [
    { name: 'STDOUT', type: 'file', script: '', place: '' },
    {
      name: 'a path',
      type: 'file',
      parameters: { file_path: '${output_file}' },
      script: '>"$2"',
      place: '${output_file}',
    },
    { name: 'pipe', type: 'pipe', script: '>"$2"', place: '${output_pipe}' },
  ],
  where,
);
pipeConformance('on a server', where);
