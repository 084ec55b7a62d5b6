import http, { type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { ConnectorError } from '../../../src/drivers/connectors/connector.js';
import { openWire } from '../../../src/drivers/connectors/openstack/wire.js';
import { retiring } from '../../../src/drivers/connectors/retiring.js';
import { staticConnector } from '../../../src/drivers/connectors/static.js';
import { waitFor } from '../../support/wait-for.js';

test('what a connector was asked is answered before it is closed; who closes it at once waits for nothing', async () => {
  const waiting: ServerResponse[] = [];
  const api = http.createServer((_, response) => void waiting.push(response));
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(api.address() as AddressInfo).port}/`;
    const open = () => {
      const wire = openWire({
        connectTimeout: 2000,
        requestTimeout: 60_000,
        retries: 0,
        ca: null,
        insecure: false,
      });
      // A list of machines that has to ask over HTTP which of them are in use.
      const ledger = async () => (await wire.send({ method: 'GET', url })).body as never;
      const one = staticConnector({ machines: [] }, { instance: 'test', ledger });
      return retiring({ ...one, close: () => wire.close() });
    };
    const old = open();
    const listed = old.list();
    await waitFor(() => waiting.length === 1, 'the question');
    let closed = false;
    const retired = old.retire().then(() => {
      closed = true;
    });
    expect(closed).toBe(false);
    waiting[0]?.end('[]');
    expect(await listed).toEqual([]);
    await retired;
    await expect(old.list()).rejects.toThrow('we closed the connection');

    const ending = open();
    const cut = ending.list().catch((error: unknown) => error);
    await waitFor(() => waiting.length === 2, 'another question');
    const leaving = ending.retire();
    await ending.close();
    expect(await cut).toBeInstanceOf(ConnectorError);
    await leaving;
  } finally {
    api.closeAllConnections();
    await new Promise((resolve) => api.close(resolve));
  }
});
