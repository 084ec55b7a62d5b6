import { describe, expect, test } from 'vitest';
import { type MessageJob, MessageJobs, messageKey } from '../../src/worker/message-jobs.js';

/** One that was made when all jobs from `open` on were not done with. */
const job = (id: number, key: string, open = 1): MessageJob => ({ id, uuid: `job ${id}`, key, open });
/** A job that is made when it is said. */
function later() {
  let resolve: (job: MessageJob) => void = () => {};
  const promise = new Promise<MessageJob>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

let last = 0;
const known = (...jobs: MessageJob[]) => {
  last = Math.max(0, ...jobs.map(({ id }) => id));
  return new MessageJobs(
    async () => jobs,
    () => last,
  );
};
const make = (jobs: MessageJobs, key: string, id: number) =>
  jobs.make(key, async () => {
    last = Math.max(last, id);
    return job(id, key);
  });

describe('the job of a message that comes again', () => {
  test('is the one from the life before, once', async () => {
    const jobs = known(job(1, 'a'), job(2, 'b'));
    expect(await jobs.claim('a')).toMatchObject({ id: 1 });
    expect(await jobs.claim('a')).toBeNull();
    expect(await jobs.claim('b')).toMatchObject({ id: 2 });
  });

  test('is not that of another message with the same id that was done with', async () => {
    const jobs = known(job(3, 'a', 3), job(1, 'a'), job(2, 'b'));
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
    const jobs = new MessageJobs(
      async () => {
        fails -= 1;
        if (fails >= 0) throw new Error('locked');
        return [job(1, 'a')];
      },
      () => 1,
    );
    await expect(jobs.claim('a')).rejects.toThrow('locked');
    expect(await jobs.claim('a')).toMatchObject({ id: 1 });
  });
});

test('below which job all is done with', async () => {
  const jobs = known();
  expect(jobs.lowestOpen).toBe(1);
  for (const id of [4, 5, 6]) await make(jobs, `m${id}`, id);
  jobs.settle(5);
  expect(jobs.lowestOpen).toBe(4);
  jobs.settle(4);
  expect(jobs.lowestOpen).toBe(6);
  // The number of one that is being made is not known yet, and another may get a lower one than one begun later.
  const [slow, quick] = [later(), later()];
  const making = [jobs.make('slow', () => slow.promise), jobs.make('quick', () => quick.promise)];
  jobs.settle(6);
  expect(jobs.lowestOpen).toBe(7);
  last = 8;
  quick.resolve(job(7, 'quick'));
  await making[1];
  jobs.settle(7);
  expect(jobs.lowestOpen).toBe(7);
  slow.resolve(job(8, 'slow'));
  await making[0];
  expect(jobs.lowestOpen).toBe(8);
  jobs.settle(8);
  expect(jobs.lowestOpen).toBe(9);
});

test('when a new message has come, no job is free for one that is like an old one', async () => {
  const jobs = known(job(1, 'tick'), job(2, 'tick'), job(3, 'tick'));
  expect(await jobs.claim('tick')).toMatchObject({ id: 1 });
  jobs.forgetFree();
  expect(await jobs.claim('tick')).toBeNull();
  expect(jobs.lowestOpen).toBe(1);
  // Nor is the database asked any more.
  const never = new MessageJobs(
    () => Promise.reject(new Error('asked')),
    () => 0,
  );
  never.forgetFree();
  expect(await never.claim('tick')).toBeNull();
});

test('one that was made when there was no open one tells that those before are done with', async () => {
  const jobs = known(job(1, 'tick'), job(2, 'tick'), job(3, 'tick', 3));
  expect(await jobs.claim('tick')).toMatchObject({ id: 3 });
  expect(await jobs.claim('tick')).toBeNull();
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
