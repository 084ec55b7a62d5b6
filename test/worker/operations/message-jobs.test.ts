import { describe, expect, test } from 'vitest';
import { type MessageJob, MessageJobs, messageKey } from '../../../src/worker/operations/message-jobs.js';

const job = (id: number, key: string): MessageJob => ({ id, uuid: `job ${id}`, key });
const known = (...jobs: MessageJob[]) => new MessageJobs(async () => jobs);
const make = (jobs: MessageJobs, key: string, id: number) => jobs.make(key, async () => job(id, key));

describe('the job of a message that comes again', () => {
  test('is the one from the life before, once', async () => {
    const jobs = known(job(2, 'b'), job(1, 'a'));
    expect(await jobs.claim('a')).toMatchObject({ id: 1 });
    expect(await jobs.claim('a')).toBeNull();
    expect(await jobs.claim('b')).toMatchObject({ id: 2 });
  });

  test('of two messages that are alike each has its own', async () => {
    const jobs = known(job(2, 'a'), job(1, 'a'));
    const claimed = [await jobs.claim('a'), await jobs.claim('a'), await jobs.claim('a')];
    expect(claimed).toMatchObject([{ id: 1 }, { id: 2 }, null]);
  });

  test('is free again when its message was taken back, and not before', async () => {
    const jobs = known();
    await make(jobs, 'a', 5);
    expect(await jobs.claim('a')).toBeNull();
    jobs.release(5);
    expect(await jobs.claim('a')).toMatchObject({ id: 5 });
  });

  test('is found, too, when it was acknowledged and the way to the stream was lost with that', async () => {
    const jobs = known();
    await make(jobs, 'a', 5);
    jobs.settle(5);
    expect(await jobs.claim('a')).toBeNull();
    jobs.linkLost();
    expect(await jobs.claim('a')).toMatchObject({ id: 5 });
  });

  test('is not that of an older message, once a new one has come', async () => {
    const jobs = known(job(1, 'a'), job(2, 'a'));
    expect(await jobs.claim('a')).toMatchObject({ id: 1 });
    jobs.forgetFree();
    expect(await jobs.claim('a')).toBeNull();
    // Nor is the database asked any more.
    const never = new MessageJobs(() => Promise.reject(new Error('asked')));
    never.forgetFree();
    expect(await never.claim('a')).toBeNull();
  });

  test('is waited for while it is being made', async () => {
    const jobs = known();
    let made: (job: MessageJob) => void = () => {};
    const making = jobs.make(
      'a',
      () =>
        new Promise<MessageJob>((resolve) => {
          made = resolve;
        }),
    );
    const released = making.then(({ id }) => jobs.release(id));
    const claimed = jobs.claim('a');
    made(job(7, 'a'));
    await released;
    expect((await claimed) ?? (await jobs.claim('a'))).toMatchObject({ id: 7 });
  });

  test('is read from the database again if that failed', async () => {
    let fails = 1;
    const jobs = new MessageJobs(async () => {
      fails -= 1;
      if (fails >= 0) throw new Error('locked');
      return [job(1, 'a')];
    });
    await expect(jobs.claim('a')).rejects.toThrow('locked');
    expect(await jobs.claim('a')).toMatchObject({ id: 1 });
  });
});

test('messages are told apart by id, type and body; one without an id by nothing', () => {
  const message = { id: 'a', contentType: 'text/plain', body: Buffer.from('x') };
  const keys = [
    message,
    { ...message, id: 'b' },
    { ...message, contentType: 'text/csv' },
    { ...message, body: Buffer.from('y') },
  ].map(messageKey);
  expect(new Set(keys).size).toBe(keys.length);
  expect(messageKey({ ...message })).toBe(keys[0]);
  expect(messageKey({ ...message, id: '' })).toBeNull();
});
