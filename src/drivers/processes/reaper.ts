import { spawnSync } from 'node:child_process';
import { basicEnvironment } from './environment.js';

/**
 * Without control groups, the kernel still offers an ordinary user one way to lose no process: a process can become the
 * subreaper of its orphaned descendants (PR_SET_CHILD_SUBREAPER), so that whatever detaches itself stays below it.
 * Neither a shell nor Node can request that, but the interpreters on nearly every Linux can. They request it and become
 * the runner: the setting survives an exec.
 */

/** PR_SET_CHILD_SUBREAPER. */
const wish = '36';

/** The number of prctl(2), by processor. */
const callNumbers: Readonly<Record<string, string>> = {
  arm: '172',
  arm64: '167',
  ia32: '172',
  loong64: '167',
  ppc64: '171',
  riscv64: '167',
  s390x: '172',
  x64: '157',
};

// Python ignores two signals, and the program that it becomes would inherit that.
const python = `
import ctypes, os, signal, sys
if ctypes.CDLL(None).prctl(${wish}, 1, 0, 0, 0) != 0: sys.exit(1)
for one in (signal.SIGPIPE, signal.SIGXFSZ): signal.signal(one, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])`;

/** Prefixes that make a program adopt its orphaned descendants, cheapest first. */
const ways: readonly (readonly string[])[] = [
  ...(callNumbers[process.arch] === undefined
    ? []
    : [
        [
          'perl',
          '-e',
          `syscall(${callNumbers[process.arch]}, ${wish}, 1, 0, 0, 0) == 0 or exit 1; exec { $ARGV[0] } @ARGV`,
        ],
      ]),
  ['python3', '-I', '-S', '-c', python],
];

/** The first way that works on this machine; null if none does. It costs starting an interpreter, a few milliseconds. */
export function findReaper(
  environment: Readonly<Record<string, string>> = basicEnvironment,
): readonly string[] | null {
  const works = ([program = '', ...words]: readonly string[]) =>
    spawnSync(program, [...words, '/bin/sh', '-c', ':'], { env: environment, stdio: 'ignore', timeout: 5000 })
      .status === 0;
  return ways.find(works) ?? null;
}
