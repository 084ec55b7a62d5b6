import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '../../../support/wait-for.js';
import { built, type Installed, install } from '../../server.js';

const uuidOf = (text: string) => /^uuid: (\S+)$/m.exec(text)?.[1] ?? '';
const tokenOf = (text: string) => /^token: (\S+)$/m.exec(text)?.[1] ?? '';
const callbackOf = (text: string) => /^callback: (\S+)$/m.exec(text)?.[1] ?? '';
const nowhere = '1070a0a0-0000-5000-8000-000000000000';

/** The commands for what runs elsewhere, against a server process. */
describe.skipIf(!built)(`jobs that run elsewhere${built ? '' : ' (skipped: it is not built)'}`, () => {
  let installed: Installed;
  let pipeline: { uuid: string };
  const penstock = (args: string[], stdin?: string) => installed.penstock(args, stdin);
  const json = (args: string[], stdin?: string) => installed.json(args, stdin);
  const good = (args: string[], stdin?: string) => installed.good(args, stdin);
  const create = async (data: string, ...more: string[]) =>
    uuidOf((await good(['job', 'create', '--pipeline', 'etl', '--data', data, ...more])).stdout);

  beforeAll(async () => {
    installed = await install();
    const { stdout } = await good(
      ['pipeline', 'add', '-'],
      '{"name": "etl", "components": [{"id": "a-0.1"}]}',
    );
    expect(stdout).toMatch(/^id: \d+\nuuid: 106\S+\n$/);
    pipeline = { uuid: uuidOf(stdout) };
  });

  afterAll(() => installed?.stop());

  describe('pipelines', () => {
    it('are added from a file, shown by name, id and UUID, listed, changed and removed', async () => {
      const file = join(installed.folder, 'other.yaml');
      writeFileSync(file, 'name: other\ncomponents:\n  - id: b-0.1\n');
      const made = await json(['pipeline', 'add', file]);
      expect(made).toMatchObject({ name: 'other', uuid: expect.stringMatching(/^106/) });
      for (const key of ['other', String(made.id), String(made.uuid)]) {
        expect(await json(['pipeline', 'show', key])).toEqual(made);
      }
      expect((await good(['pipeline', 'show', 'other'])).stdout).toContain(`uuid: ${made.uuid}`);
      expect((await json(['pipeline', 'list'])).map(({ name }) => name)).toEqual(['etl', 'other']);
      expect((await good(['pipeline', 'list'])).stdout).toMatch(/^ *ID +NAME +UUID/);
      const more = JSON.stringify({ ...made, description: 'joins', components: [{ id: 'c-1' }] });
      expect(await json(['pipeline', 'update', 'other', '-'], more)).toMatchObject({
        uuid: made.uuid,
        description: 'joins',
        components: [{ id: 'c-1' }],
      });
      const another = await penstock(['pipeline', 'update', 'other', '-'], '{"uuid": "x"}');
      expect(another).toMatchObject({ code: 1, stdout: '' });
      await good(['pipeline', 'remove', 'other']);
      const gone = await penstock(['pipeline', 'show', String(made.uuid)]);
      expect(gone).toMatchObject({ code: 1, stdout: '' });
    });

    it('that are wrong, there already, or in use, are refused in words', async () => {
      const wrong = await penstock(['pipeline', 'add', '-'], '{"name": "x", "componets": []}');
      expect(wrong).toMatchObject({ code: 1, stdout: '' });
      expect(wrong.stderr).toContain('components');
      const again = await penstock(
        ['pipeline', 'add', '-'],
        JSON.stringify(await json(['pipeline', 'show', 'etl'])),
      );
      expect(again.stderr).toContain(`The pipeline ${pipeline.uuid} already exists`);
      await create('{"for": "remove"}');
      expect((await penstock(['pipeline', 'remove', 'etl'])).stderr).toContain('delete them first');
      expect((await penstock(['pipeline', 'show', 'elt'])).stderr).toContain('Did you mean etl?');
    });
  });

  describe('a job', () => {
    it('is created with token and callback, once', async () => {
      const parent = '10500000-0000-5000-8000-000000000001';
      const args = [
        'job',
        'create',
        '--pipeline',
        pipeline.uuid,
        '--session',
        'tulip-fever',
        '--child-of',
        parent,
      ];
      const first = await good([...args, '--archive-path', '/results/1', '--data', '{"n": 1.0}']);
      const uuid = uuidOf(first.stdout);
      expect(uuid).toMatch(/^107/);
      expect(tokenOf(first.stdout)).toMatch(/^\w{16}$/);
      expect(callbackOf(first.stdout)).toContain(`uuid=${uuid}`);
      expect(await json(['job', 'show', uuid])).toMatchObject({
        state: 'CREATED',
        session: 'tulip-fever',
        archive_path: '/results/1',
        data: { n: 1 },
        links: { child_of: [parent] },
      });
      const again = await good([...args, '--data', '@-'], '{"n": 1.0}');
      expect(again.stdout).toBe(`uuid: ${uuid}\n`);
      expect(again.stderr).toContain(`penstock job token ${uuid}`);
      // As data are written they make the identity: 1 is another number than 1.0.
      const file = join(installed.folder, 'data.json');
      writeFileSync(file, '{"n": 1}');
      const other = await json([...args, '--data', `@${file}`]);
      expect(other).toMatchObject({ token: expect.any(String), state: 'CREATED' });
      expect(other.uuid).not.toBe(uuid);
    });

    it('is refused for a pipeline that is not there, and for data that are no JSON', async () => {
      const unknown = await penstock(['job', 'create', '--pipeline', nowhere.replace('107', '106')]);
      expect(unknown).toMatchObject({ code: 1, stdout: '' });
      expect(unknown.stderr).toContain('Register it first');
      const unnamed = await penstock(['job', 'create', '--pipeline', 'a-name-of-many-words']);
      expect(unnamed.stderr).toContain('There is no pipeline named a-name-of-many-words.');
      const args = ['job', 'create', '--pipeline', 'etl', '--data'];
      expect(await penstock([...args, '{n: 1}'])).toMatchObject({ code: 2 });
      expect((await penstock([...args, '[1]'])).stderr).toMatch(/\/data .*object/);
      expect((await penstock(['job', 'create'])).stderr).toContain("'--pipeline <pipeline>'");
    });

    it('is told of by events, with its token', async () => {
      const made = (await good(['job', 'create', '--pipeline', 'etl', '--data', '{"for": "events"}'])).stdout;
      const uuid = uuidOf(made);
      installed.env.PENSTOCK_JOB_TOKEN = tokenOf(made);
      expect(await penstock(['job', 'event', uuid, 'run', '--data', '{"host": "x"}'])).toEqual({
        code: 0,
        stdout: 'CREATED → RUNNING\n',
        stderr: '',
      });
      delete installed.env.PENSTOCK_JOB_TOKEN;
      const finish = ['job', 'event', uuid, 'finish', '--job-token'];
      const refused = await penstock([...finish, 'wrong']);
      expect(refused).toMatchObject({ code: 1, stdout: '' });
      expect(refused.stderr).toContain(`The token does not belong to the job ${uuid}.`);
      expect(refused.stderr).toContain('PENSTOCK_JOB_TOKEN');
      expect(await json([...finish, tokenOf(made)])).toMatchObject({
        state_before: 'RUNNING',
        state: 'FINISHED',
      });
      expect(await json(['job', 'history', uuid])).toMatchObject([
        { name: 'create' },
        { name: 'run', data: { host: 'x' } },
        { name: 'finish' },
      ]);
      // An admin needs no token, and is told what became of the results.
      const reset = await penstock(['job', 'event', uuid, 'reset']);
      expect(reset).toMatchObject({ code: 0, stdout: 'FINISHED → RESET\n' });
      expect(reset.stderr).toContain('archive path was not cleared');
    });

    it('takes no event that is misspelt or out of turn, and says which was meant', async () => {
      const uuid = await create('{"for": "mistakes"}');
      const misspelt = await penstock(['job', 'event', uuid, 'finsh']);
      expect(misspelt).toMatchObject({ code: 1, stdout: '' });
      expect(misspelt.stderr).toMatch(/\/name .*did you mean "finish"\?/);
      const early = await penstock(['job', 'event', uuid, 'validated']);
      expect(early.stderr).toContain('illegal-transition');
      expect((await penstock(['job', 'event', nowhere, 'run'])).stderr).toContain(
        `There is no job ${nowhere}.`,
      );
      const elsewhere = await penstock(['job', 'event', uuid, 'run', '--actor', 'somebody']);
      expect(elsewhere.stderr).toContain("Unknown actor 'somebody'. Use pipelinejobs-manager.");
    });

    it('gets a new token, which ends the one before', async () => {
      const made = (await good(['job', 'create', '--pipeline', 'etl', '--data', '{"for": "token"}'])).stdout;
      const uuid = uuidOf(made);
      const renewed = (await good(['job', 'token', uuid])).stdout;
      expect(callbackOf(renewed)).not.toBe(callbackOf(made));
      const run = ['job', 'event', uuid, 'run', '--job-token'];
      expect(await penstock([...run, tokenOf(made)])).toMatchObject({ code: 1 });
      expect(await penstock([...run, tokenOf(renewed)])).toMatchObject({ code: 0 });
      expect(await json(['job', 'token', uuid])).toMatchObject({ uuid, token: expect.any(String) });
      // Two dots are not the uuid of a job, but would lead to where tokens of users are made.
      expect(await penstock(['job', 'token', '..'])).toMatchObject({ code: 2 });
      for (const shown of [
        ['job', 'show', uuid],
        ['job', 'list'],
        ['job', 'history', uuid],
      ]) {
        expect((await good([...shown, '--json'])).stdout).not.toContain(tokenOf(renewed));
      }
    });

    it('is hidden, listed only on demand, and shown again', async () => {
      const uuid = await create('{"for": "hiding"}', '--session', 'hidden-hollow');
      const list = ['job', 'list', '--session', 'hidden-hollow', '--pipeline', 'etl'];
      expect((await json(list)).map((job) => job.uuid)).toEqual([uuid]);
      await good(['job', 'hide', uuid]);
      expect(await json(list)).toEqual([]);
      expect((await json([...list, '--hidden'])).map((job) => job.uuid)).toEqual([uuid]);
      expect((await penstock(['job', 'event', uuid, 'run'])).stderr).toContain(
        'hidden and accepts no events',
      );
      expect(await json(['job', 'unhide', uuid])).toMatchObject({ uuid, _visible: true });
      expect((await json(list)).map((job) => job.uuid)).toEqual([uuid]);
    });
  });

  describe('following', () => {
    it('prints the events of all jobs as they happen, filtered', async () => {
      const uuid = await create('{"for": "following"}', '--session', 'live-lily');
      const child = installed.start([
        'job',
        'follow',
        '--json',
        '--session',
        'live-lily',
        '--event',
        'update',
      ]);
      const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
      const first = once(lines, 'line') as Promise<[string]>;
      let heard = false;
      void first.then(() => {
        heard = true;
      });
      // Until the follower is connected there is nothing to be heard.
      await waitFor(async () => {
        await good(['job', 'event', uuid, 'resource']);
        await good(['job', 'event', uuid, 'update']);
        return heard;
      }, 'an event');
      expect(JSON.parse((await first)[0])).toMatchObject({
        name: 'update',
        job_uuid: uuid,
        state: 'CREATED',
      });
      child.kill('SIGINT');
      await once(child, 'close');
    });

    it('prints the events of one job to its end', async () => {
      const uuid = await create('{"for": "one"}');
      const following = penstock(['job', 'follow', uuid]);
      await good(['job', 'event', uuid, 'run']);
      await good(['job', 'event', uuid, 'fail', '--data', '{"reason": "rain"}']);
      const { code, stdout } = await following;
      expect(code).toBe(0);
      expect(stdout).toMatch(
        /^\S+Z +create +CREATED .*\n\S+ +run +RUNNING .*\n\S+ +fail +FAILED +\{"reason":"rain"\}\n$/,
      );
      expect(await penstock(['job', 'follow', uuid, '--state', 'FAILED'])).toMatchObject({ code: 2 });
    });
  });

  it('lets nonces in for as often and as long as they say', async () => {
    const add = ['nonce', 'add', '--level', 'EXECUTE', '--max-uses', '1', '--description', 'for the lab'];
    const made = await good([...add, '--expires', '2999-01-31']);
    const nonce = made.stdout.trim();
    const { stdout } = await good(['nonce', 'list']);
    expect(stdout).toMatch(/EXECUTE +0 +1 .*2999-01-3\S+ +for the lab/);
    expect(stdout).not.toContain(nonce);
    const rows = (await json(['nonce', 'list'])).filter((row) => row.description === 'for the lab');
    const id = String(rows[0]?.id);
    expect(nonce.startsWith(id)).toBe(true);

    const made2 = (await good(['job', 'create', '--pipeline', 'etl', '--data', '{"for": "nonce"}'])).stdout;
    const body = JSON.stringify({ uuid: uuidOf(made2), name: 'run', token: tokenOf(made2) });
    const url = `${installed.env.PENSTOCK_URL}/actors/v2/pipelinejobs-manager/messages?x-nonce=${nonce}`;
    const send = () => fetch(url, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } });
    expect((await send()).status).toBe(200);
    expect((await send()).status).toBe(401);

    await good(['nonce', 'remove', id]);
    const gone = await penstock(['nonce', 'remove', id]);
    expect(gone).toMatchObject({ code: 1, stdout: '' });
    expect(gone.stderr).toContain('There is no such nonce of pipelinejobs-manager.');
    expect((await penstock(['nonce', 'add', '--expires', '2001-01-01'])).stderr).toContain('is in the past');
  });
});
