import { connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkAnswers, many } from '../../support/many-messages.js';
import { makeOperation, makeStream, operationIs, operationOf, putLines } from '../../support/operations.js';
import { atPace } from '../../support/pace.js';
import { noRabbitmq, startRabbitmq, type TestBroker } from '../../support/rabbitmq.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

interface Came {
  id: string;
  contentType: string;
  headers: Record<string, unknown>;
  text: string;
}

describe.skipIf(noRabbitmq !== null)(
  `operations on a real RabbitMQ${noRabbitmq === null ? '' : ` (skipped: ${noRabbitmq})`}`,
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

    const amqp = { type: 'amqp' };

    /** Does something with a client of nobody's: it knows only that streams are exchanges. */
    async function plainly<T>(work: (channel: PlainChannel) => Promise<T>): Promise<T> {
      const connection = await connect(broker.url());
      connection.on('error', () => undefined);
      try {
        return await work(await connection.createConfirmChannel());
      } finally {
        await connection.close().catch(() => undefined);
      }
    }
    type PlainChannel = Awaited<ReturnType<Awaited<ReturnType<typeof connect>>['createConfirmChannel']>>;

    /** A durable queue that collects what is on a stream. */
    const collect = (stream: string) =>
      plainly(async (channel) => {
        await channel.assertExchange(`streams.${stream}`, 'fanout', { durable: true });
        await channel.assertQueue(`all of ${stream}`, { durable: true });
        await channel.bindQueue(`all of ${stream}`, `streams.${stream}`, '');
      });

    const countOf = (queue: string) =>
      plainly(async (channel) => (await channel.checkQueue(queue)).messageCount).catch(() => 0);

    /** Takes out what a queue has collected. */
    const drain = (stream: string, count: number) =>
      plainly(async (channel) => {
        const came: Came[] = [];
        await channel.prefetch(1000);
        await channel.consume(
          `all of ${stream}`,
          (message) => {
            if (message === null) return;
            const { messageId, contentType, headers } = message.properties;
            came.push({
              id: String(messageId),
              contentType: String(contentType),
              headers: { ...headers },
              text: message.content.toString(),
            });
            channel.ack(message);
          },
          { noAck: false },
        );
        await waitFor(() => came.length >= count, `${count} messages`, 60_000);
        return came;
      });

    const publish = (
      stream: string,
      bodies: readonly string[],
      headers: (index: number) => object = () => ({}),
    ) =>
      plainly(async (channel) => {
        for (const [index, body] of bodies.entries()) {
          const properties = { messageId: `m-${index}`, contentType: 'text/plain', headers: headers(index) };
          channel.publish(`streams.${stream}`, '', Buffer.from(body), { persistent: true, ...properties });
          if (index % 1000 === 999) await channel.waitForConfirms();
        }
        await channel.waitForConfirms();
      });

    test(
      `${many} messages through a service, while the broker is stopped and started and the server killed`,
      async () => {
        const definition = await server.register({
          exec: 'tr',
          argv: ['a-z', 'A-Z'],
          process_type: 'service',
        });
        await makeStream(server, 'lines', amqp);
        await makeStream(server, 'shouts', amqp);
        const json = {
          name: 'shout',
          process_definition: definition,
          input_stream: 'lines',
          output_stream: 'shouts',
          active: false,
        };
        const id = await makeOperation(server, json);
        await collect('shouts');
        await publish(
          'lines',
          Array.from({ length: many }, (_, index) => `message ${index}`),
          (index) => ({ number: index }),
        );
        expect(await operationOf(server, id)).toMatchObject({ state: 'inactive', lag: { ready: many } });
        await server.fetch(`/api/operation/${id}/start/`, { method: 'POST' });
        const published = (count: number) =>
          waitFor(async () => (await countOf('all of shouts')) >= count, `${count} results`, 60_000);

        await published(many / 10);
        const midway = await countOf('all of shouts');
        await broker.stop();
        await operationIs(server, id, ({ state }) => state === 'waiting', 'it to wait for the broker');
        await broker.start();
        await published(midway + many / 5);
        const { service } = await operationOf(server, id);
        await server.kill();
        const atDeath = await countOf('all of shouts');
        expect(atDeath).toBeLessThan(many);
        await server.restart();

        await operationIs(
          server,
          id,
          ({ state, lag }) => state === 'running' && lag?.ready === 0 && lag.unsettled === 0,
          'all to be done',
          120_000,
        );
        // The very same program all the time.
        const after = await operationOf(server, id);
        expect(after.service).toBe(service);
        expect(await (await server.fetch(`${service}`)).json()).toMatchObject({
          state: 'RUNNING',
          attempt: 1,
        });
        const came = await drain('shouts', await countOf('all of shouts'));
        checkAnswers(
          came.map(({ text, headers }) => ({ text, redelivered: headers.redelivered === 'true' })),
          (index) => `MESSAGE ${index}`,
        );
        expect(came[0]).toEqual({
          id: 'm-0',
          contentType: 'text/plain',
          headers: { number: '0' },
          text: 'MESSAGE 0',
        });
      },
      atPace(240_000),
    );

    test('a job for each message; what fails is kept on the broker, with the way to its job', async () => {
      const definition = await server.register({
        exec: '/bin/sh',
        argv: ['-c', 'read n; [ "$n" != 3 ] && echo "ok $n"'],
      });
      await makeStream(server, 'numbers', amqp);
      await makeStream(server, 'oks', amqp);
      await collect('oks');
      const id = await makeOperation(server, {
        name: 'numbers',
        process_definition: definition,
        input_stream: 'numbers',
        output_stream: 'oks',
        concurrency: 4,
      });
      await publish('numbers', ['0', '1', '2', '3', '4', '5']);
      await operationIs(
        server,
        id,
        ({ counts }) => counts.published === 5 && counts.dead === 1,
        'all to be done',
      );
      expect((await drain('oks', 5)).map(({ id: key, text }) => [key, text])).toEqual(
        [0, 1, 2, 4, 5].map((n) => [`m-${n}`, `ok ${n}\n`]),
      );
      const answer = await server.fetch(`/api/operation/${id}/dead_letters/`);
      const { stream, total, objects } = (await answer.json()) as {
        stream: string;
        total: number;
        objects: { headers: Record<string, string> }[];
      };
      expect([total, objects]).toMatchObject([1, [{ id: 'm-3', body: '3' }]]);
      const job = await server.fetch(objects[0]?.headers['penstock-job'] ?? '');
      expect(await job.json()).toMatchObject({ state: 'FAILED', outcome: { exit_code: 1 } });
      const queues = await broker.ctl('list_queues', 'name', 'durable', 'messages');
      expect(queues).toMatch(new RegExp(`^streams\\.${stream}\\.\\S+\\ttrue\\t1$`, 'm'));
      const again = await server.fetch(`/api/operation/${id}/dead_letters/replay/`, { method: 'POST' });
      expect(await again.json()).toEqual({ replayed: 1 });
      await operationIs(server, id, ({ counts }) => counts.dead === 2, 'it to fail again');
      await server.fetch(`/api/operation/${id}/`, { method: 'DELETE' });
      expect(await broker.ctl('list_queues', 'name')).not.toContain(`operation-${id}-`);
    });

    test('headers that leave no room for ours hold up nothing: they are left out', async () => {
      const failing = await server.register({ exec: 'false' });
      await makeStream(server, 'heavy', amqp);
      const id = await makeOperation(server, {
        name: 'heavy',
        process_definition: failing,
        input_stream: 'heavy',
      });
      // So many that the client can just send them.
      const headers = Object.fromEntries(
        Array.from({ length: 65 }, (_, index) => [`h${index}`, 'y'.repeat(index < 64 ? 1000 : 930)]),
      );
      await plainly(async (channel) => {
        channel.publish('streams.heavy', '', Buffer.from('a'), { headers });
        channel.publish('streams.heavy', '', Buffer.from('b'), {});
        await channel.waitForConfirms();
      });
      await operationIs(server, id, ({ counts }) => counts.dead === 2, 'two dead letters');
      const answer = await server.fetch(`/api/operation/${id}/dead_letters/`);
      const { objects } = (await answer.json()) as { objects: { headers: Record<string, string> }[] };
      expect(Object.keys(objects[0]?.headers ?? {}).sort()).toEqual([
        'penstock-headers-left-out',
        'penstock-job',
        'penstock-operation',
        'penstock-reason',
      ]);
    });

    test('results that the broker does not take wait, and go out when it is back: from a stream in memory', async () => {
      const definition = await server.register({ exec: 'tr', argv: ['a-z', 'A-Z'], process_type: 'service' });
      await makeStream(server, 'here');
      await makeStream(server, 'there', amqp);
      await collect('there');
      const id = await makeOperation(server, {
        name: 'from here to there',
        process_definition: definition,
        input_stream: 'here',
        output_stream: 'there',
        prefetch: 20,
      });
      const lines = (from: number) => Array.from({ length: 50 }, (_, index) => `line ${from + index}`);
      await putLines(server, 'here', lines(0));
      await operationIs(server, id, ({ counts }) => counts.published === 50, 'the first half');
      await broker.stop();
      await putLines(server, 'here', lines(50));
      const now = await operationIs(
        server,
        id,
        ({ state, lag }) => state === 'waiting' && lag?.unsettled === 20 && lag.ready === 30,
        'it to hold as many as it may',
      );
      expect(now.reason).toMatch(/broker/i);
      await broker.start();
      await operationIs(server, id, ({ counts }) => counts.published === 100, 'the other half', 60_000);
      const came = await drain('there', 100);
      const first = came.filter(
        ({ text }, index) => came.findIndex((other) => other.text === text) === index,
      );
      expect(first.map(({ text }) => text)).toEqual(
        [...lines(0), ...lines(50)].map((line) => line.toUpperCase()),
      );
    });

    test('it is told what it waits for while there is no broker', async () => {
      const definition = await server.register({ exec: 'cat' });
      await makeStream(server, 'away', amqp);
      const id = await makeOperation(server, {
        name: 'away',
        process_definition: definition,
        input_stream: 'away',
      });
      await broker.stop();
      const now = await operationIs(server, id, ({ state }) => state === 'waiting', 'it to wait');
      expect(now.reason).toMatch(/broker/i);
      expect(now.lag).toBeNull();
      const removed = await server.fetch(`/api/operation/${id}/`, { method: 'DELETE' });
      expect(removed.status).toBe(503);
      await broker.start();
      await operationIs(server, id, ({ state }) => state === 'running', 'it to run again', 30_000);
    });
  },
);
