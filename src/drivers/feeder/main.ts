/**
 * The feeder: a separate program that runs beside a job's program in the same session, and moves bytes between files
 * and what the program reads and writes: named pipes, ports, growing files. It needs no server, and survives a restart
 * of it. It works in the attempt's folder, where `feeder.json` says what to do.
 */
import { constants, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import net from 'node:net';
import { type FeederPlan, type FeederReport, planFile, reportFile } from '../../domain/feeder/feeder-plan.js';
import { messageOf } from '../../lib/errors.js';
import { openSocket } from './feed.js';
import { bring, fetch } from './job.js';
import { openWays, type Ways } from './open-ways.js';
import { programBeside, quiet, tellToEnd } from './program.js';

const plan = JSON.parse(readFileSync(planFile, 'utf8')) as FeederPlan;
const report: FeederReport = { problem: null, toldToEnd: null, unheard: [] };

// These signals are meant for the program: the feeder still passes on its remaining output.
for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGPIPE'] as const)
  process.on(signal, () => {});

/** Exits, whatever is still in progress. */
function leave(code: 0 | 1): never {
  writeFileSync(`${reportFile}.new`, JSON.stringify(report));
  renameSync(`${reportFile}.new`, reportFile);
  process.exit(code);
}

/** Reports what cannot be moved, and ends the program. */
function fail(error: unknown): never {
  report.problem = messageOf(error);
  leave(1);
}
process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);

const ending = new AbortController();
const program = programBeside(ending.signal);
// Opened before we are ready, so that the shell's report waits for us.
const told = new net.Socket({
  fd: openSync('told', constants.O_RDONLY | constants.O_NONBLOCK),
  readable: true,
  writable: false,
});
// While this is open as well, the pipe has no end.
openSync('told', constants.O_WRONLY | constants.O_NONBLOCK);
let word = '';
const end = new Promise<number>((resolve) => {
  told.on('data', (piece: Buffer) => {
    word += piece.toString('latin1');
    if (!word.endsWith('\n')) return;
    ending.abort();
    resolve(Number(word) || 0);
  });
});

/** Once the program has ended, whatever was in progress stops with an error that does not count. */
const unlessEnded = (error: unknown) => {
  if (!ending.signal.aborted) throw error;
};

async function serve(ways: Ways): Promise<void> {
  if (plan.inlet !== null && ways.in !== null) {
    const { inlet } = plan;
    void bring(plan.input, inlet.chunk, ways.in)
      .then(async () => {
        if (inlet.kind !== 'append' || inlet.quiet === null) return;
        if (!(await quiet(program, inlet.path, inlet.quiet))) {
          report.problem = 'the program is idle, but has not read all of its input';
        }
        report.toldToEnd = inlet.quiet;
        await tellToEnd(program, inlet.path, inlet.quiet, plan.killGrace);
      })
      .catch(unlessEnded)
      .catch(fail);
  }
  if (plan.output !== null && ways.out !== null) {
    const whole = fetch(plan.output, plan.limit, ways.out);
    whole.catch(fail);
    await end;
    ways.out.programEnded();
    await whole;
  }
  await end;
}

async function feed(ways: Ways, socket: Awaited<ReturnType<typeof openSocket>>): Promise<void> {
  socket.failure.catch(fail);
  if (ways.in !== null) socket.serve(ways.in);
  if (ways.out === null) {
    await end;
    return;
  }
  const passed = socket.pass(ways.out);
  passed.catch(fail);
  await end;
  ways.out.programEnded();
  await passed;
}

const ways = await openWays(plan, program);
const socket = plan.feed === null ? null : await openSocket(plan.feed.framing, ending.signal);
const served = socket === null ? serve(ways) : feed(ways, socket);
writeSync(1, 'ready\n');
const code = await end;
await served;
await socket?.close(code);
report.unheard = ways.ports.filter(({ heard }) => !heard()).map(({ port }) => port);
leave(0);
