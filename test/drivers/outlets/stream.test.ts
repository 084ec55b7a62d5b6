import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { streamOutlet } from '../../../src/drivers/outlets/stream.js';
import { freePorts } from '../../support/ports.js';
import { noRabbitmq, startRabbitmq, type TestBroker } from '../../support/rabbitmq.js';
import { closeAfterEach, consumeAt, streamAt } from '../../support/streams.js';
import { waitFor } from '../../support/wait-for.js';

closeAfterEach();
const event = {
  id: 'evt-1',
  url: 'stream:told',
  contentType: 'application/json',
  body: '{"ü":1}',
  secrets: [],
};
const { signal } = new AbortController();

test('what cannot be told is no error, but an answer', async () => {
  const [port = 0] = await freePorts(1);
  const outlet = streamOutlet(streamAt(`amqp://127.0.0.1:${port}`));
  expect(await outlet.send(event, signal)).toEqual({
    accepted: false,
    status: null,
    error: expect.stringContaining('ECONNREFUSED'),
  });
  expect(await outlet.send({ ...event, url: 'https://told' }, signal)).toMatchObject({ accepted: false });
  await expect(outlet.send(event, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
  await outlet.close();
});

describe.skipIf(noRabbitmq !== null)(
  `on a real RabbitMQ${noRabbitmq === null ? '' : ` (skipped: ${noRabbitmq})`}`,
  () => {
    let broker: TestBroker;
    beforeAll(async () => {
      broker = await startRabbitmq();
    });
    afterAll(() => broker?.remove());

    test('an event is told as it is', async () => {
      const consumer = await consumeAt(broker.url(), 'told');
      const outlet = streamOutlet(streamAt(broker.url()));
      expect(await outlet.send(event, signal)).toEqual({ accepted: true, status: null, error: null });
      await waitFor(() => consumer.received.length > 0, 'the message');
      const [{ content, properties } = { content: '', properties: undefined }] = consumer.received;
      expect(content.toString()).toBe(event.body);
      expect(properties).toMatchObject({ messageId: 'evt-1', contentType: 'application/json' });
    });
  },
);
