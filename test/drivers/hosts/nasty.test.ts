import { randomBytes } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { remoteExecutor } from '../../../src/drivers/executors/remote/remote.js';
import type { Host } from '../../../src/drivers/hosts/host.js';
import { remoteFolder } from '../../../src/drivers/hosts/scripts/remote-launch.js';
import { sshHost } from '../../../src/drivers/hosts/ssh/ssh.js';
import { thisMachine } from '../../../src/drivers/hosts/this-machine.js';
import { atPace } from '../../support/pace.js';
import { type Machine, noSshd, startMachine } from '../../support/sshd.js';

const none = { fileSize: null, memory: null, cpuTime: null, cpus: null, processes: null };
/** What a shell would do something with, if it saw it unquoted. */
const pieces = [
  ...[
    "'",
    '"',
    '\\',
    '`',
    '$',
    '$(touch PWNED)',
    '`touch PWNED`',
    ';touch PWNED;',
    '&',
    '|',
    '>PWNED',
    '*',
    '?',
  ],
  ...['[a]', '{a,b}', '~', '!', '#', '%s', ' ', '\t', '-', '--', '-rf', '=', '..', 'a', 'ä', '😀', '${HOME}'],
];
const nasty = (more: readonly string[] = []) =>
  fc
    .array(fc.constantFrom(...pieces, ...more), { minLength: 1, maxLength: 6 })
    .map((words) => words.join(''));
const fileName = nasty().filter((name) => !/^\.{1,2}$/.test(name));

function quoting(title: string, hostOf: () => Host): void {
  test(
    `every value is what it is: ${title}`,
    async () => {
      const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-nasty-'));
      let count = 0;
      const run = async (words: {
        base: string;
        file: string;
        name: string;
        argument: string;
        value: string;
      }): Promise<void> => {
        const executor = remoteExecutor({ instance: 'nasty', hostOf });
        count += 1;
        const folder = path.join(root, 'here', String(count));
        mkdirSync(folder, { recursive: true });
        const uuid = `20700020-0000-5000-8000-${randomBytes(6).toString('hex')}`;
        const there = remoteFolder(path.join(root, words.base), 'nasty', uuid, '1');
        const cwd = `${there}/work`;
        const input = path.join(folder, 'input');
        writeFileSync(input, words.value);
        const exec = path.join(there, 'bin', words.name);
        const tool = path.join(folder, 'tool');
        writeFileSync(
          tool,
          '#!/bin/sh\nprintf %s "$1" >argument; printf %s "$VALUE" >value; cat "$2"; cat >copied; echo error >&2\n',
          { mode: 0o755 },
        );
        const [stdout, stderr] = ['stdout', 'stderr'].map((name) => path.join(folder, name)) as [
          string,
          string,
        ];
        const sent = path.join(cwd, 'in', words.file);
        const handle = await executor.start(
          {
            ...{ uuid, exec, argv: [words.argument, sent], user: null, killGrace: 1, limits: none, cwd },
            environment: { PATH: '/usr/bin:/bin', VALUE: words.value },
          },
          {
            ...{ folder, stdin: input, stdout, stderr, companions: [], place: { host: 'it', folder: there } },
            send: [
              { from: tool, to: exec },
              { from: input, to: sent },
            ],
            fetch: [{ from: cwd, to: path.join(folder, 'back') }],
          },
        );
        expect(await executor.wait(handle)).toMatchObject({ cause: 'exit', exit_code: 0 });
        const back = (name: string) => readFileSync(path.join(folder, 'back', name), 'utf8');
        expect(back('argument')).toBe(words.argument);
        expect(back('value')).toBe(words.value);
        expect(back('copied')).toBe(words.value);
        expect(back(path.join('in', words.file))).toBe(words.value);
        expect(readFileSync(stdout, 'utf8')).toBe(words.value);
        await executor.cancel(handle, 0);
        await executor.close();
        expect(existsSync(there)).toBe(false);
        expect(readdirSync(path.join(folder, 'back')).sort()).toEqual(['argument', 'copied', 'in', 'value']);
        expect(existsSync(path.join(os.homedir(), 'PWNED'))).toBe(false);
      };
      try {
        await fc.assert(
          fc.asyncProperty(
            fc.record({
              base: fileName,
              file: fileName.map((name) => `${name}\n${name}`),
              name: fileName,
              argument: nasty(['\n', '\\n']),
              value: nasty(['\n', '\\n', '\nexit 1\n']),
            }),
            run,
          ),
          { numRuns: 12 },
        );
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    },
    atPace(60_000),
  );
}

describe('nasty values on this machine', () => {
  const host = thisMachine();
  afterAll(() => host.close());
  quoting('here', () => host);
});

describe.skipIf(noSshd !== null)(
  noSshd === null ? 'nasty values over SSH' : `nasty values over SSH (skipped: ${noSshd})`,
  () => {
    let machine: Machine;
    let host: Host;
    beforeAll(async () => {
      machine = await startMachine();
      host = sshHost(machine.login);
    });
    afterAll(async () => {
      await host.close();
      await machine.remove();
    });
    quoting('there', () => host);
  },
);
