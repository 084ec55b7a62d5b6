// over-port in|out PORT [HOST]: listens, takes one connection, and copies what comes to standard output, or standard
// input to it.
import net from 'node:net';

const [way, port, host = '127.0.0.1'] = process.argv.slice(2);
const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  server.close();
  if (way === 'in') socket.pipe(process.stdout);
  else process.stdin.pipe(socket);
  socket.on('end', () => socket.end());
  process.stdout.on('error', () => process.exit(1));
});
server.listen(Number(port), host);
