import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { connectPort } from '../../../src/drivers/feeder/port.js';
import { readProcess } from '../../../src/drivers/processes/processes.js';
import { freePorts } from '../../support/ports.js';

/** The program is this one. */
const ourselves = () => [readProcess(process.pid)].filter((found) => found !== undefined);

test('what a program said before it closed is heard, although it has not read all that it was sent', async () => {
  const [port = 0] = await freePorts(1);
  // More than is read in one go, and less than a connection holds.
  const answer = Buffer.alloc(120_000, 'x');
  const server = createServer((socket) => {
    socket.once('data', () => {
      socket.pause();
      socket.write(answer, () => socket.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  try {
    const program = { ended: new AbortController().signal, processes: ourselves };
    const { way } = connectPort(port, program, { reads: true, sends: true });
    const pieces = way.pieces()[Symbol.asyncIterator]();
    const sent = way.write(Buffer.alloc(20_000_000)).then(() => way.write(Buffer.alloc(1)));
    let heard = 0;
    for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
      heard += next.value.length;
      // Until it is certain that nothing more can be sent.
      await sent;
    }
    expect(heard).toBe(answer.length);
  } finally {
    server.close();
  }
});

test('what a program said is heard, although it ended before we knew that we were connected', async () => {
  const [port = 0] = await freePorts(1);
  const server = createServer((socket) => socket.end('all of it'));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  try {
    const ending = new AbortController();
    const program = { ended: ending.signal, processes: ourselves };
    const { way, heard } = connectPort(port, program, { reads: true, sends: false });
    ending.abort();
    way.programEnded();
    const pieces: Buffer[] = [];
    for await (const piece of way.pieces()) pieces.push(piece);
    expect([heard(), Buffer.concat(pieces).toString()]).toEqual([true, 'all of it']);
  } finally {
    server.close();
  }
});
