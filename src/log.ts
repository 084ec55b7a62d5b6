import { type Logger, pino } from 'pino';

export type { Logger };

/** Fields that never reach the log, wherever they stand. */
const secret = ['password', 'authorization', 'token', 'secret', 'hash', 'passwordHash', 'environment'];

/** The logger: one JSON object a line, on stderr, so that stdout is free for the line that says we are ready. */
export function openLog(level: string): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secret.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: '***' },
    },
    pino.destination({ dest: 2, sync: false }),
  );
}
