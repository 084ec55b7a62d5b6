import { hash, verify } from '@node-rs/argon2';

/** OWASP's first choice for argon2id: 19 MiB, two passes, one lane (Password Storage Cheat Sheet, 2024). */
const argon2id = { memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
/** Each hash occupies a thread of the pool that also reads files: half of the pool stays free. */
const atOnce = 2;

const waiting: (() => void)[] = [];
let active = 0;

/** Hashes passwords during a turn. */
export interface Hasher {
  hash(password: string): Promise<string>;
  /** Whether it is the password; false also if `stored` is not a hash. */
  verify(stored: string, password: string): Promise<boolean>;
}

const hasher: Hasher = {
  hash: (password) => hash(password, argon2id),
  verify: (stored, password) => verify(stored, password).catch(() => false),
};

/** Does work that hashes passwords: at most two at a time in the whole process, the rest in order. */
export async function hashingTurn<T>(work: (hasher: Hasher) => Promise<T>): Promise<T> {
  // Whoever leaves hands the turn over, so that a newcomer cannot jump the queue.
  if (active < atOnce) active += 1;
  else await new Promise<void>((resolve) => waiting.push(resolve));
  try {
    return await work(hasher);
  } finally {
    const next = waiting.shift();
    if (next === undefined) active -= 1;
    else next();
  }
}

/** The hash of a new password. */
export const hashPassword = (password: string): Promise<string> => hashingTurn(({ hash }) => hash(password));
