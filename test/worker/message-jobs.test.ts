import { describe, expect, test } from 'vitest';
import { type MessageJob, MessageJobs, messageKey } from '../../src/worker/message-jobs.js';

const job = (id: number, key: string, settled = 0): MessageJob => ({ id, uuid: `job ${id}`, key, settled });
const known = (...jobs: MessageJob[]) => new MessageJobs(async () => jobs);
const make = (jobs: MessageJobs, key: string, id: number) => jobs.make(key, async () => job(id, key));

describe('the job of a message that comes again', () => {
  test('is the one from the life before, once', async () => {
    const jobs = known(job(1, 'a'), job(2, 'b'));
    expect(await jobs.claim('a')).toMatchObject({ id: 1 });
    expect(await jobs.claim('a')).toBeNull();
    expect(await jobs.claim('b')).toMatchObject({ id: 2 });
  });

  test('is not that of another message with the same id that was done with', async () => {
    const jobs = known(job(3, 'a', 2), job(1, 'a'), job(2, 'b'));
    expect(await jobs.claim('a')).toMatchObject({ id: 3 });
    expect(await jobs.claim('b')).toBeNull();
  });

  test('of two messages that are alike each has its own', async () => {
    const jobs = known(job(1, 'a'), job(2, 'a'));
    expect([await jobs.claim('a'), await jobs.claim('a'), await jobs.claim('a')]).toMatchObject([
      { id: 1 },
      { id: 2 },
      null,
    ]);
  });

  test('is free again when its message was taken back, and not before', async () => {
    const jobs = known();
    await make(jobs, 'a', 5);
    expect(await jobs.claim('a')).toBeNull();
    jobs.release(5);
    expect(await jobs.claim('a')).toMatchObject({ id: 5 });
    jobs.settle(5);
    jobs.release(5);
    expect(await jobs.claim('a')).toBeNull();
  });

  test('is waited for while it is being made', async () => {
    const jobs = known();
    let made: (job: MessageJob) => void = () => {};
    const making = jobs.make('a', () => new Promise<MessageJob>((resolve) => (made = resolve)));
    const claimed = jobs.claim('a');
    made(job(7, 'a'));
    await making;
    jobs.release(7);
    expect((await claimed) === null || (await claimed)?.id === 7).toBe(true);
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

test('up to which job all is done with', async () => {
  const jobs = known();
  expect(jobs.settledUpTo).toBe(0);
  for (const id of [4, 5, 6]) await make(jobs, `m${id}`, id);
  jobs.settle(5);
  expect(jobs.settledUpTo).toBe(3);
  jobs.settle(4);
  expect(jobs.settledUpTo).toBe(5);
  jobs.settle(6);
  expect(jobs.settledUpTo).toBe(6);
});

test('messages are told apart by id, type and body', () => {
  const message = { id: 'a', contentType: 'text/plain', body: Buffer.from('x') };
  const keys = [
    message,
    { ...message, id: 'b' },
    { ...message, contentType: 'text/csv' },
    { ...message, body: Buffer.from('y') },
    { ...message, id: '' },
  ].map(messageKey);
  expect(new Set(keys).size).toBe(keys.length);
  expect(messageKey({ ...message })).toBe(keys[0]);
});
