// Asks a server again and again how it is, from a process of its own, so that what a test does meanwhile does not count. In turn with it a
// server is asked that has nothing to do: what that one takes, the machine takes. A parent's message 'report' is answered
// with the longest wait of each since the report before, in milliseconds.
const { fork } = require('node:child_process');
const http = require('node:http');

if (process.argv[2] === 'idle') {
  const idle = http.createServer((_request, response) => response.end('ok'));
  idle.listen(0, '127.0.0.1', () => process.send(idle.address().port));
  process.on('disconnect', () => process.exit());
} else {
  const agent = new http.Agent({ keepAlive: true });
  const longest = { server: 0, idle: 0 };
  let asked = false;

  const wait = (url) =>
    new Promise((resolve, reject) => {
      const from = performance.now();
      const request = http.get(url, { agent }, (response) => {
        response.resume();
        response.on('end', () => resolve(performance.now() - from));
      });
      request.on('error', reject);
    });

  const idle = fork(__filename, ['idle']);
  idle.once('message', async (port) => {
    for (;;) {
      longest.server = Math.max(longest.server, await wait(process.argv[2]));
      longest.idle = Math.max(longest.idle, await wait(`http://127.0.0.1:${port}/`));
      if (asked) {
        asked = false;
        process.send({ ...longest });
        longest.server = 0;
        longest.idle = 0;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });
  process.on('message', () => {
    asked = true;
  });
  process.on('disconnect', () => process.exit());
}
