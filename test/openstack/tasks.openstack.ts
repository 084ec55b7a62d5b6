import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { endsOf, historyOf } from '../support/jobs.js';
import { describeOpenStack } from './openstack.js';
import { type CloudPenstock, contentsOf, nothing, startPenstock, xnat } from './penstock.js';
import { clear, type Key, makeKey } from './servers.js';
import { type Session, signIn } from './session.js';

/** Tells what a task is given, and what it finds: also the key that the guest shows who comes by SSH. */
const script = `
printf '[%s]' "$@"; echo
echo "the password: $TASK_PWD"
cat "$PENSTOCK_BASE_FOLDER/notes.txt"
cut -d ' ' -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub
hostname
echo careful >&2
echo OUTPUTMARKER1700000000.1;1700000002.2OUTPUTMARKER
`
  .replace('OUTPUTMARKER1', "'OUTPUTMARKER1")
  .replace('2OUTPUTMARKER', "2OUTPUTMARKER'");

const upper = {
  name: 'upper case',
  exec: '/usr/bin/tr',
  argv: ['a-z', 'A-Z'],
};

describeOpenStack('tasks on guests', ['qemu'], (cloud) => {
  let session: Session;
  let key: Key;
  let penstock: CloudPenstock | undefined;
  beforeAll(async () => {
    session = await signIn(cloud);
    await clear(session);
    key = await makeKey(session, 'tasks');
  });
  afterAll(async () => {
    await penstock?.remove();
    await clear(session);
    await key?.remove();
  });

  test.each([
    'nova',
    'heat',
  ] as const)('%s: a server is made for a task, reached at its floating IP, used again, and deleted after its last use', async (connector) => {
    penstock = await startPenstock({
      cloud,
      connector,
      key,
      scripts: { 'tell.sh': script, 'notes.txt': 'some notes\n' },
      application: { VIRTUAL_SERVER_TTL: 2, MAX_SERVERS: 1, REMOTE_BASE_FOLDER: '/home/debian/work' },
    });
    const definition = await penstock.register(upper);
    const first = await penstock.post({
      ...xnat,
      script: 'tell.sh',
      files: ['notes.txt'],
      options: "-flag 'two words'",
    });
    const second = await penstock.post({
      type: 'process',
      process_definition: definition,
      input: { name: 'in.txt', text: 'straße, abc' },
      output: 'out.txt',
    });
    const ended = await penstock.untilEnded(first);
    expect(ended).toMatchObject({ status: 'finished', task: { exit_code: 0, server: expect.any(String) } });
    const name = ended.task.server ?? '';
    expect(await penstock.untilEnded(second)).toMatchObject({
      status: 'finished',
      task: { exit_code: 0, server: name },
    });

    // What it wrote is here, whole.
    const bytes = async (url: string) => await (await penstock?.fetch(url))?.text();
    const lines = (await bytes(`/tasks/${first}/stdout`))?.split('\n') ?? [];
    expect(lines.slice(0, 3)).toEqual([
      "[-project][a project][-subject][O'Brien][-session][s1][-host][http://127.0.0.1:8080/xnat/][-user][admin][-flag][two words]",
      'the password: not to be seen',
      'some notes',
    ]);
    expect(lines[4]).toBe(name);
    expect(await bytes(`/tasks/${first}/stderr`)).toBe('careful\n');
    expect(await bytes(`/api/job/${second}/output/`)).toBe('STRAßE, ABC');

    // The server's key is the one that it was first reached with.
    expect(lines[3]).toBe(penstock.hostKey(name));

    // The history tells how it came to its server.
    const history = await historyOf(penstock, first);
    const told = history.filter((event) => event.name === 'resource').map(({ data }) => data?.waiting);
    expect(told).toEqual(expect.arrayContaining(['a server is being started', 'a server is booting']));
    expect(history.find((event) => event.name === 'run')?.data).toMatchObject({ host: name, attempt: 1 });
    expect(await endsOf(penstock, first)).toEqual(['finish']);

    // Two uses are its last.
    const [server, ...others] = await penstock.untilDeleted();
    expect(others).toEqual([]);
    expect(server).toMatchObject({ name, uses: 2, reason: expect.stringContaining('its limit') });
    expect(server?.minutes).toBeGreaterThan(0);
    const answer = (await (await penstock.fetch(`/api/server/${server?.id}/`)).json()) as { jobs: object[] };
    expect(answer.jobs).toMatchObject([{ job: `/api/job/${first}/` }, { job: `/api/job/${second}/` }]);
    expect(await contentsOf(session)).toEqual(nothing);

    const times = readFileSync(penstock.timesFile, 'utf8').split('\n').slice(1);
    expect(times).toEqual([
      expect.stringMatching(/^(\d+\.\d\d;){3}1700000000\.1;1700000002\.2;$/),
      expect.stringMatching(/^(\d+\.\d\d;){3}None;$/),
    ]);
    const [asked = 0, placed = 0, started = 0] = (times[0] ?? '').split(';').map(Number);
    expect(placed).toBeGreaterThan(asked);
    expect(started).toBeGreaterThanOrEqual(placed);
    expect(penstock.log()).not.toContain('not to be seen');
    await penstock.remove();
  });
});
