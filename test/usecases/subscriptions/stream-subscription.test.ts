import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, describe, expect, test } from 'vitest';
import { openStore } from '../../../src/store/store.js';
import {
  ensureStreamSubscription,
  streamSubscriptionChanges,
} from '../../../src/usecases/subscriptions/stream-subscription.js';
import { jobOf, submit } from '../../support/jobs.js';
import { freePorts } from '../../support/ports.js';
import { startServer } from '../../support/server.js';

const root = mkdtempSync(path.join(os.tmpdir(), 'penstock-stream-subscription-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const amqp_url = 'amqp://127.0.0.1';
const nothing = { add: null, on: [], off: [] };
const told = (id: number, url: string, active: boolean) => ({ id, url, active });

describe('what must change', () => {
  test.each<[string, Parameters<typeof streamSubscriptionChanges>, object]>([
    ['no broker', [{ amqp_url: null, job_events: 'a' }, []], nothing],
    ['no stream', [{ amqp_url, job_events: null }, []], nothing],
    ['both', [{ amqp_url, job_events: 'a' }, []], { ...nothing, add: 'stream:a' }],
    ['there already', [{ amqp_url, job_events: 'a' }, [told(1, 'stream:a', true)]], nothing],
    [
      'there, but off',
      [{ amqp_url, job_events: 'a' }, [told(1, 'stream:a', false)]],
      { ...nothing, on: [1] },
    ],
    [
      'the broker gone',
      [{ amqp_url: null, job_events: 'a' }, [told(1, 'stream:a', true)]],
      { ...nothing, off: [1] },
    ],
    [
      'another name',
      [{ amqp_url, job_events: 'b' }, [told(1, 'stream:a', true)]],
      { add: 'stream:b', on: [], off: [1] },
    ],
    ['of another kind', [{ amqp_url: null, job_events: 'a' }, [told(1, 'https://a', true)]], nothing],
  ])('%s', (_what, given, changes) => {
    expect(streamSubscriptionChanges(...given)).toEqual(changes);
  });
});

test('the store keeps one subscription for each name', async () => {
  const store = await openStore(path.join(root, 'store.sqlite'));
  const clock = () => new Date();
  const shown = async () => (await store.subscriptions.unowned()).map(({ url, active }) => [url, active]);
  for (const settings of [
    { amqp_url, job_events: 'a' },
    { amqp_url, job_events: 'a' },
  ])
    await ensureStreamSubscription(settings, store, clock);
  expect(await shown()).toEqual([['stream:a', true]]);
  await ensureStreamSubscription({ amqp_url, job_events: 'b' }, store, clock);
  expect(await shown()).toEqual([
    ['stream:a', false],
    ['stream:b', true],
  ]);
  await ensureStreamSubscription({ amqp_url: null, job_events: 'a' }, store, clock);
  expect((await shown()).map(([, active]) => active)).toEqual([false, false]);
  expect((await store.subscriptions.unowned())[0]).toMatchObject({
    ownerId: null,
    everyones: true,
    format: 'json',
    events: null,
  });
  await store.close();
});

test('the outbox fills only while a broker is configured, be it out of reach', async () => {
  const config = path.join(root, 'config');
  mkdirSync(config);
  const configure = (text: string) => writeFileSync(path.join(config, 'streams.yaml'), text);
  const [port = 0] = await freePorts(1);
  configure('');
  const server = await startServer({ environment: { PENSTOCK_CONFIG: config } });
  try {
    const definition = await server.register({ exec: '/bin/true' });
    async function deliveriesOfOneJob(): Promise<number> {
      const uuid = await submit(server, definition);
      await jobOf(server, uuid, 20);
      const database = new Database(path.join(server.data, 'penstock.sqlite'), { readonly: true });
      const count = database
        .prepare('SELECT count(*) FROM delivery d JOIN job j ON j.id = d.job_id WHERE j.uuid = ?')
        .pluck()
        .get(uuid);
      database.close();
      return count as number;
    }
    expect(await deliveriesOfOneJob()).toBe(0);
    for (const there of [true, false, true]) {
      await server.stop();
      configure(there ? `amqp_url: amqp://guest:s3cret@127.0.0.1:${port}\n` : '');
      await server.restart();
      expect((await deliveriesOfOneJob()) > 0).toBe(there);
    }
    expect(server.log()).not.toContain('s3cret');
  } finally {
    await server.remove();
  }
});
