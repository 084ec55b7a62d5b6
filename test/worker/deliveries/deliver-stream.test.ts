import { connect } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { manager } from '../../support/manager.js';
import { noRabbitmq, startRabbitmq, type TestBroker } from '../../support/rabbitmq.js';
import { ask } from '../../support/raw.js';
import { startServer, type TestServer } from '../../support/server.js';
import { waitFor } from '../../support/wait-for.js';

interface Told {
  id: string;
  job_uuid: string;
  event_name: string;
  job_state: string;
}
const queue = 'everything';

describe.skipIf(noRabbitmq !== null)(
  `job events on a real RabbitMQ${noRabbitmq === null ? '' : ` (skipped: ${noRabbitmq})`}`,
  () => {
    let broker: TestBroker;
    let server: TestServer;
    beforeAll(async () => {
      broker = await startRabbitmq();
      // A durable queue of somebody who wants everything, there before the first event.
      const connection = await connect(broker.url());
      const channel = await connection.createChannel();
      await channel.assertExchange('streams.job_events', 'fanout', { durable: true });
      await channel.assertQueue(queue, { durable: true });
      await channel.bindQueue(queue, 'streams.job_events', '');
      await connection.close();
      server = await startServer({
        application: { WEBHOOK_MAX_PAUSE: 0.3 },
        config: { 'streams.yaml': { amqp_url: broker.url() } },
      });
    });
    afterAll(async () => {
      await server?.remove();
      await broker?.remove();
    });

    /** Everything that is in the queue. */
    async function drain(): Promise<Told[]> {
      const connection = await connect(broker.url());
      const channel = await connection.createChannel();
      const told: Told[] = [];
      for (;;) {
        const message = await channel.get(queue, { noAck: true });
        if (message === false) break;
        const { data } = JSON.parse(message.content.toString()) as { data: Omit<Told, 'id'> };
        told.push({ ...data, id: String(message.properties.messageId) });
      }
      await connection.close();
      return told;
    }

    test('each is told, in order for each job, through an outage and a killed server', async () => {
      const pjm = await manager(server);
      const jobs = [await pjm.create(), await pjm.create(), await pjm.create()];
      const tell = async (name: string) => {
        for (const job of jobs) expect((await pjm.send(job, name, { from: name })).status).toBe(200);
      };
      await tell('run');
      await broker.stop();
      await tell('update');
      await server.kill();
      await server.restart();
      await tell('finish');
      await broker.start();
      await tell('validate');
      const count = async (state: string) =>
        (await ask(server, `/api/delivery/?state=${state}`)).json.meta.total_count as number;
      await waitFor(async () => (await count('pending')) === 0, 'the outbox to be empty');
      expect(await count('delivered')).toBe(5 * jobs.length);

      const told = await drain();
      for (const job of jobs) {
        const { objects } = (await ask(server, `/api/job/${job.uuid}/history/`)).json;
        const history = objects as { uuid: string; name: string; state: string }[];
        const seen = new Set<string>();
        // At least once: what is told again has the same id.
        const mine = told.filter(
          ({ id, job_uuid }) => job_uuid === job.uuid && !seen.has(id) && seen.add(id),
        );
        expect(mine.map(({ id, event_name, job_state }) => [id, event_name, job_state])).toEqual(
          history.map(({ uuid, name, state }) => [uuid, name, state]),
        );
      }
    });
  },
);
