import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { entryOf, foldersOn, sshFile } from '../../support/machines.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { type Machine, noSshd, startMachine } from '../../support/sshd.js';
import { waitFor } from '../../support/wait-for.js';

const name = 'declared inputs and outputs on another machine';
describe.skipIf(noSshd !== null)(noSshd === null ? name : `${name} (skipped: ${noSshd})`, () => {
  let machine: Machine;
  let server: TestServer;
  beforeAll(async () => {
    machine = await startMachine();
    server = await startServer({ config: { 'ssh.yaml': sshFile([entryOf('fiji', machine)]) } });
  });
  afterAll(async () => {
    await server?.remove();
    await machine?.remove();
  });

  test('go there and come back', async () => {
    const script = [
      'cat >"$1"',
      'mkdir -p parts',
      'for file in "$3" "$4"; do cp "$file" "parts/$(basename "$file").part"; done',
      'ls "$5" | tr "\\n" " " >>"$1"',
      'cp -r "$5" "$2/all"',
      'printf \'{"words": ["%s", "%s"], "secret": %s}\' "$6" "$7" "$(printf %s "$TOKEN" | wc -c)"',
    ].join('\n');
    const id = await server.register({
      exec: '/bin/sh',
      argv: [
        '-c',
        script,
        'sh',
        '${outputs.made}',
        '${outputs.tree}',
        '${inputs.more}',
        '${inputs.folder}',
        '${inputs.words}',
      ],
      environment: { TOKEN: '${inputs.token}' },
      executor: 'ssh',
      host: 'fiji',
      inputs: {
        main: { type: 'file', stdin: true },
        more: { type: 'array', items: { type: 'file' } },
        folder: { type: 'folder' },
        words: { type: 'array', items: { type: 'string' } },
        token: { type: 'string', secret: true },
      },
      outputs: {
        made: { type: 'file', file_name: 'made.txt' },
        tree: { type: 'folder' },
        parts: { type: 'files', glob: 'parts/*.part' },
        words: { type: 'array', from: 'stdout', pointer: '/words' },
        length: { type: 'integer', from: 'stdout', pointer: '/secret' },
        none: { type: 'files', glob: 'none/*', optional: true },
        absent: { type: 'file', file_path: 'absent', optional: true },
      },
    });
    const inputs = {
      main: { text: 'main ' },
      more: [
        { text: 'A', name: 'a b.txt' },
        { text: 'BB', name: 'ä.txt' },
      ],
      folder: [
        { text: '1', name: 'one' },
        { text: '2', name: 'two' },
      ],
      words: ['$(id)', 'it\'s "so"'.replaceAll('"', '')],
      token: 'hush',
    };
    const { json: job } = await ask(server, `/api/process_definition/${id}/run/?wait=60`, {
      json: { inputs },
    });
    expect([job.state, job.outcome.reason]).toEqual(['FINISHED', null]);
    expect(job.outputs).toEqual({
      made: { name: 'made.txt', size: 13 },
      tree: [
        { name: 'all/one', size: 1 },
        { name: 'all/two', size: 1 },
      ],
      parts: [
        { name: 'parts/a b.txt.part', size: 1 },
        { name: 'parts/ä.txt.part', size: 2 },
      ],
      words: ['$(id)', "it's so"],
      length: 4,
    });
    expect((await ask(server, `/api/job/${job.uuid}/output/`)).text).toBe('main one two ');
    // Nothing is left there, the secret included.
    await waitFor(() => !foldersOn(machine).has(job.uuid), 'the folder there to be removed');
  });
});
