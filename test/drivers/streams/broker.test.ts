import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { amqpStream } from '../../../src/drivers/streams/amqp.js';
import { atPace } from '../../support/pace.js';
import { freePorts } from '../../support/ports.js';
import { closeAfterEach, failureOf, log, message, streamAt } from '../../support/streams.js';

closeAfterEach();

describe('a broker that is not there', () => {
  test('nothing listens: told at once, and without the login', async () => {
    const [port = 0] = await freePorts(1);
    const stream = streamAt(`amqp://us3cret:s3cret@127.0.0.1:${port}`);
    const { text, took } = await failureOf(stream.publish('x', message('1')));
    expect(text).toContain(`amqp://127.0.0.1:${port}`);
    expect(text).toContain('ECONNREFUSED');
    expect(took).toBeLessThan(atPace(1000));
  });

  test('a host with several addresses says why, too', async () => {
    const [port = 0] = await freePorts(1);
    const { text } = await failureOf(streamAt(`amqp://localhost:${port}`).publish('x', message('1')));
    expect(text).toContain('ECONNREFUSED');
  });

  test('a host that does not exist', async () => {
    const { text } = await failureOf(
      streamAt('amqp://a:s3cret@no-such-host.invalid').publish('x', message('1')),
    );
    expect(text).toMatch(/no-such-host\.invalid/);
  });

  test.each<[string, (socket: net.Socket) => void]>([
    ['takes the connection and says nothing', () => undefined],
    ['takes the connection and closes it', (socket) => socket.end()],
    ['takes the connection and resets it', (socket) => socket.resetAndDestroy()],
    ['speaks HTTP', (socket) => socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')],
    ['speaks an older AMQP', (socket) => socket.end('AMQP\x00\x00\x09\x00')],
  ])('one that %s', async (_what, greet) => {
    const sockets = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      sockets.add(socket.on('error', () => undefined));
      greet(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const stream = streamAt(`amqp://a:s3cret@127.0.0.1:${port}`, { timeout: 600 });
    const { took } = await failureOf(stream.publish('x', message('1')));
    expect(took).toBeLessThan(atPace(1500));
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  test('is not asked by everyone, but after pauses', async () => {
    let connections = 0;
    const server = net.createServer((socket) => {
      connections += 1;
      socket.on('error', () => undefined).destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as net.AddressInfo;
    const backoff = { initial: 60, factor: 2, maximum: 60 };
    const stream = streamAt(`amqp://127.0.0.1:${port}`, { backoff });
    await Promise.all(Array.from({ length: 50 }, () => failureOf(stream.publish('x', message('1')))));
    await failureOf(stream.publish('x', message('2')));
    expect(connections).toBe(1);
    await new Promise((resolve) => server.close(resolve));
  });

  test('what is no URL at all', () => {
    expect(() => amqpStream({ url: 'amqp://a:s3cret@host:port' }, log)).toThrow(/^(?!.*s3cret)/);
  });
});
