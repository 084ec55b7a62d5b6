import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver } from '../../support/receiver.js';
import { waitFor } from '../../support/wait-for.js';
import { built, type Installed, install } from '../server.js';

/** The commands for what is told to others, against a server process. */
describe.skipIf(!built)(`subscriptions${built ? '' : ' (skipped: it is not built)'}`, () => {
  let installed: Installed;
  let receiver: Receiver;
  let pipeline: string;
  const penstock = (args: string[], stdin?: string) => installed.penstock(args, stdin);
  const json = (args: string[], stdin?: string) => installed.json(args, stdin);
  const good = (args: string[], stdin?: string) => installed.good(args, stdin);
  const create = async (data: string) =>
    String((await json(['job', 'create', '--pipeline', 'etl', '--data', data])).uuid);

  beforeAll(async () => {
    installed = await install({
      WEBHOOK_PRIVATE_ADDRESSES: true,
      WEBHOOK_MAX_PAUSE: 0.1,
      WEBHOOK_KEEP_TRYING: 1,
    });
    receiver = await startReceiver();
    const made = await json(['pipeline', 'add', '-'], '{"name": "etl", "components": [{"id": "a-0.1"}]}');
    pipeline = String(made.id);
  });

  afterAll(async () => {
    await receiver?.down();
    await installed?.stop();
  });

  it('are made with a secret, which is nowhere else but at its own command', async () => {
    const url = `${receiver.url}/made`;
    const made = await good(['subscription', 'add', url, '--event', 'finish', '--event', 'fail']);
    const id = /^id: (\d+)$/m.exec(made.stdout)?.[1] ?? '';
    const secret = /^secret: (whsec_\S+)$/m.exec(made.stdout)?.[1] ?? '-';
    expect(await penstock(['subscription', 'secret', id])).toEqual({
      code: 0,
      stdout: `${secret}\n`,
      stderr: '',
    });
    expect(await json(['subscription', 'secret', url])).toEqual({ secret });
    expect(await json(['subscription', 'show', id])).toMatchObject({ url, events: ['fail', 'finish'] });
    for (const shown of [['show', id], ['list']]) {
      const text = (await good(['subscription', ...shown])).stdout;
      expect(text).toContain(url);
      expect(text).not.toContain('whsec_');
      expect(JSON.stringify(await json(['subscription', ...shown]))).not.toContain('whsec_');
    }
    await good(['subscription', 'off', id]);
    expect(await json(['subscription', 'show', id])).toMatchObject({ active: false });
    expect(await json(['subscription', 'on', url])).toMatchObject({ active: true });
    await good(['subscription', 'remove', url]);
    expect((await penstock(['subscription', 'show', id])).stderr).toContain(
      `There is no subscription ${id}.`,
    );
  });

  it('are for one job, one pipeline, or everybody', async () => {
    const uuid = await create('{"for": "subscriptions"}');
    const add = ['subscription', 'add', receiver.url];
    const made = [
      await json([...add, '--job', uuid]),
      await json([...add, '--pipeline', 'etl', '--everyones', '--format', 'cloudevents']),
    ];
    expect(made).toMatchObject([
      { job: `/api/job/${uuid}/`, secret: expect.stringMatching(/^whsec_/) },
      { pipeline: `/api/pipeline/${pipeline}/`, everyones: true, format: 'cloudevents' },
    ]);
    const { stdout } = await good(['subscription', 'list']);
    expect(stdout).toContain(`job ${uuid}`);
    expect(stdout).toContain(`everyone's, of pipeline ${pipeline}`);
    for (const { id } of made) await good(['subscription', 'remove', String(id)]);
  });

  it('name what is wrong: an event, a URL', async () => {
    const event = await penstock(['subscription', 'add', receiver.url, '--event', 'finishd']);
    expect(event).toMatchObject({ code: 1, stdout: '' });
    expect(event.stderr).toMatch(/\/events\/0 .*did you mean "finish"\?/);
    expect((await penstock(['subscription', 'add', 'ftp://x'])).stderr).toContain('http or https');
  });

  it('are tried out, and what did not arrive is sent once more', async () => {
    const id = String((await json(['subscription', 'add', receiver.url, '--event', 'run'])).id);
    expect((await good(['subscription', 'ping', id])).stderr).toContain('status 204');
    receiver.behave = () => 500;
    const ping = await penstock(['subscription', 'ping', id, '--json']);
    expect(ping.code).toBe(1);
    expect(JSON.parse(ping.stdout)).toMatchObject({ accepted: false, status: 500 });

    const uuid = await create('{"for": "deliveries"}');
    await good(['job', 'event', uuid, 'run']);
    const list = ['delivery', 'list', '--subscription', id, '--state'];
    const dead = await waitFor(async () => (await json([...list, 'dead']))[0], 'a dead delivery');
    expect(dead).toMatchObject({ event_name: 'run', job: `/api/job/${uuid}/`, status: 500 });
    expect((await good(['delivery', 'list', '--job', uuid])).stdout).toMatch(/^ *ID +STATE[\s\S]*dead +run/);
    expect((await good(['delivery', 'show', String(dead.id)])).stdout).toContain('state: dead');

    receiver.behave = () => 204;
    expect((await good(['delivery', 'replay', String(dead.id)])).stderr).toContain('will be sent again');
    const arrived = () => waitFor(async () => (await json([...list, 'delivered']))[0], 'the delivery');
    expect(await arrived()).toMatchObject({ id: dead.id });
    const replay = ['subscription', 'replay', id];
    expect(await json(replay)).toEqual({ replayed: 0 });
    expect(await json([...replay, '--all', '--since', '2999-01-01'])).toEqual({ replayed: 0 });
    expect((await good([...replay, '--all'])).stderr).toContain('1 delivery will be sent again.');
    await arrived();
    expect((await penstock(['delivery', 'show', '99999'])).stderr).toContain('There is no delivery 99999.');
    expect(await penstock(['delivery', 'show', 'x'])).toMatchObject({ code: 2 });
  });
});
