import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import { adapterPairs, waysIn, waysOut } from '../../conformance/adapter.js';
import { pipeConformance } from '../../conformance/pipes.js';

/** The folder below which servers work: with the connector `local` they are this machine. */
const base = mkdtempSync(path.join(os.tmpdir(), 'penstock-far-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

const where = {
  application: { CONNECTOR: 'local', VIRTUAL_SERVER_TTL: 100, REMOTE_BASE_FOLDER: base },
  definition: { executor: 'cloud' },
};

adapterPairs(waysIn, waysOut, where);
pipeConformance('on a server', where);
