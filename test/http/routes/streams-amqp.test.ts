import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { consume } from '../../support/amqp-consumer.js';
import { followStream } from '../../support/follow-stream.js';
import { noRabbitmq, startRabbitmq, type TestBroker } from '../../support/rabbitmq.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

describe.skipIf(noRabbitmq !== null)(
  `streams on a real RabbitMQ${noRabbitmq === null ? '' : ` (skipped: ${noRabbitmq})`}`,
  () => {
    let broker: TestBroker;
    let server: TestServer;
    beforeAll(async () => {
      broker = await startRabbitmq();
      server = await startServer({ config: { 'streams.yaml': { amqp_url: broker.url() } } });
    });
    afterAll(async () => {
      await server?.remove();
      await broker?.remove();
    });
    const put = (name: string, json: object = {}) =>
      ask(server, `/api/stream/${name}/`, { method: 'PUT', json });
    const publish = (name: string, body: string) =>
      ask(server, `/api/stream/${name}/messages/`, { method: 'POST', body });

    test('where there is a broker a stream is on it, unless it says otherwise', async () => {
      expect((await put('readings')).status).toBe(201);
      // Other programs may bind their queues to it at once.
      expect(await broker.ctl('list_exchanges', 'name', 'type')).toMatch(/^streams\.readings\tfanout$/m);
      const shown = (await ask(server, '/api/stream/readings/')).json;
      expect(shown).toMatchObject({ type: 'amqp', durable: true, max_messages: null, queues: [] });
      expect((await put('readings', shown)).status).toBe(204);
      expect((await put('here', { type: 'memory' })).status).toBe(201);
      for (const [body, key] of [
        [{ durable: false }, '/durable'],
        [{ max_messages: 5 }, '/max_messages'],
      ] as const) {
        const answer = await put('else', body);
        expect([answer.status, answer.json.errors[0].pointer]).toEqual([400, key]);
      }
    });

    test('other programs get what is published, and are heard', async () => {
      await put('shared');
      const consumer = await consume(broker.url(), 'shared');
      const follower = await followStream(server, 'shared');
      const { id } = (await publish('shared', 'hello')).json;
      await waitFor(() => consumer.received.length === 1, 'the message at the consumer');
      expect(consumer.received[0]?.properties.messageId).toBe(id);
      await waitFor(() => follower.messages.length === 1, 'the message at the follower');
      expect(follower.messages[0]).toMatchObject({ id, text: 'hello' });
      follower.cut();
      const empty = async () => !(await broker.ctl('list_queues', 'name')).includes('streams.shared.own-');
      await waitFor(empty, 'the queue of the follower to be gone');
      await consumer.close();
    });

    test('a stream that is deleted while it is followed is gone on the broker, and its followers are told', async () => {
      await put('followed');
      const followers = [await followStream(server, 'followed'), await followStream(server, 'followed')];
      // Whoever leaves at that moment does not hold it up, either.
      (await followStream(server, 'followed')).cut();
      expect((await ask(server, '/api/stream/followed/', { method: 'DELETE' })).status).toBe(204);
      expect(await broker.ctl('list_exchanges', 'name')).not.toContain('streams.followed');
      expect(await broker.ctl('list_queues', 'name')).not.toContain('streams.followed');
      for (const { closed, others } of followers) {
        await closed;
        expect(others.map(({ event }) => event)).toEqual(['end']);
      }
    });

    test('a broker that is away: told with the reason, and when to try again', async () => {
      await put('away');
      const follower = await followStream(server, 'away');
      expect((await publish('away', 'before')).status).toBe(201);
      await broker.stop();
      const refused = await publish('away', 'during');
      expect([refused.status, refused.headers['retry-after']]).toEqual([503, '5']);
      expect(refused.json.error).toMatch(/ECONNREFUSED|closed|CONNECTION_FORCED/);
      expect(refused.text).not.toContain('guest');
      await waitFor(() => follower.others.length > 0, 'the follower to be told');
      expect(follower.others[0]).toMatchObject({ event: 'link', data: { linked: false } });
      const late = await ask(server, '/api/stream/away/messages/?follow=1');
      expect([late.status, late.json.error]).toEqual([503, expect.stringMatching(/cannot be read/)]);
      expect((await ask(server, '/api/stream/away/', { method: 'DELETE' })).status).toBe(503);
      const unmade = await put('unmade');
      expect([unmade.status, unmade.json.error]).toEqual([503, expect.stringMatching(/cannot be created/)]);
      expect((await ask(server, '/api/stream/unmade/')).status).toBe(404);
      // What is kept here goes on.
      await put('aside', { type: 'memory' });
      expect((await publish('aside', 'x')).status).toBe(201);
      await broker.start();
      await waitFor(async () => (await publish('away', 'after')).status === 201, 'the broker');
      await waitFor(() => follower.others.at(-1)?.data.linked === true, 'the follower to read again');
      await waitFor(async () => {
        await publish('away', 'again');
        return follower.messages.some(({ text }) => text === 'again');
      }, 'a message at the follower');
      follower.cut();
      await waitFor(
        async () => (await ask(server, '/api/stream/away/', { method: 'DELETE' })).status === 204,
        'it to be deleted',
      );
      expect(await broker.ctl('list_exchanges', 'name')).not.toContain('streams.away');
    });
  },
);
