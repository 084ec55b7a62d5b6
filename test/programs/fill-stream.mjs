// Publishes numbers on a durable stream as fast as it takes them, reads and settles them in between, and notes in a file
// what was confirmed (c), given out (g) and settled (a), until it is killed.
import { openSync, writeSync } from 'node:fs';
import { memoryStream } from '../../dist/memory.js';

const [file, from, log] = process.argv.slice(2);
const out = openSync(log, 'a');
const settings = () => ({ durable: true, maxMessages: 1_000_000 });
const stream = memoryStream({ file, settings, maxBytes: 2 ** 30 });
const tell = (what, id) => writeSync(out, `${what}${id}\n`);
let read = 0;
await stream.subscribe('s', {
  queue: 'q',
  prefetch: 50,
  onMessage(delivery) {
    tell('g', delivery.id);
    read += 1;
    // Some are kept for ever, so that what is unsettled is not only the newest.
    if (read % 100 === 0) return;
    tell('a', delivery.id);
    delivery.ack();
  },
});
let next = Number(from);
const lane = async () => {
  for (;;) {
    const id = String(next);
    next += 1;
    const body = Buffer.alloc(Number(id) % 3000, id);
    await stream.publish('s', { id, contentType: 'text/plain', headers: { id }, body });
    tell('c', id);
  }
};
await Promise.all(Array.from({ length: 200 }, lane));
