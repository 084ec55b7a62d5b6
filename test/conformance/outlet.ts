import { setMaxListeners } from 'node:events';
import { describe, expect, test } from 'vitest';
import type { Message, Outlet } from '../../src/drivers/outlets/outlet.js';

/** What a driver's suite gives: an outlet, somewhere that takes messages, and somewhere that does not. */
interface OutletUnderTest {
  outlet: Outlet;
  good: string;
  bad: string;
  /** Where nobody answers, so that an attempt lasts until it is aborted. */
  silent: string;
  /** The bodies that arrived at `good`, in order. */
  arrived: () => string[];
}

/** What every outlet promises, tried on the real thing. */
export function outletConformance(name: string, given: () => OutletUnderTest): void {
  describe(`outlet ${name}`, () => {
    const message = (url: string, body: string): Message => ({
      id: `id-${body.length}`,
      url,
      contentType: 'application/json',
      body,
      secrets: [`whsec_${Buffer.from('a key of some length').toString('base64')}`],
    });
    const never = new AbortController().signal;
    // One listener for each attempt under way.
    setMaxListeners(0, never);

    test('brings a message whole, and says that it was accepted', async () => {
      const { outlet, good, arrived } = given();
      for (const body of ['{}', '{"text":"grüße ☃ 𝒳"}', JSON.stringify({ text: 'x'.repeat(2 ** 20) })]) {
        const answer = await outlet.send(message(good, body), never);
        expect(answer).toMatchObject({ accepted: true, error: null });
        expect(arrived().at(-1)).toBe(body);
      }
    });

    test('a receiver that does not accept is an answer with a reason, not an error', async () => {
      const { outlet, bad } = given();
      const answer = await outlet.send(message(bad, '{}'), never);
      expect(answer.accepted).toBe(false);
      expect(answer.error).toMatch(/\w{3}/);
    });

    test('many at once do not get in the way of each other', async () => {
      const { outlet, good, arrived } = given();
      const before = arrived().length;
      const bodies = Array.from({ length: 50 }, (_, number) => `{"number":${number}}`);
      const answers = await Promise.all(bodies.map((body) => outlet.send(message(good, body), never)));
      expect(answers.every(({ accepted }) => accepted)).toBe(true);
      expect(arrived().slice(before).sort()).toEqual([...bodies].sort());
    });

    test('an attempt that is aborted rejects at once', async () => {
      const { outlet, silent } = given();
      const abort = new AbortController();
      const attempt = outlet.send(message(silent, '{}'), abort.signal);
      setImmediate(() => abort.abort());
      await expect(attempt).rejects.toThrow();
      await expect(outlet.send(message(silent, '{}'), abort.signal)).rejects.toThrow();
    });
  });
}
