import { readFileSync } from 'node:fs';

/** A soft limit of this process, by its name in /proc/self/limits; infinite if there is none, or it cannot be read. */
function softLimit(name: string): number {
  try {
    const line = readFileSync('/proc/self/limits', 'latin1')
      .split('\n')
      .find((one) => one.startsWith(name));
    const value = Number(line?.slice(name.length).trim().split(/\s+/)[0]);
    return Number.isNaN(value) ? Number.POSITIVE_INFINITY : value;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** How many files this process may have open. */
export const openFilesLimit = (): number => softLimit('Max open files');

/** Bytes of the longest single argument or variable on Linux: MAX_ARG_STRLEN without the final zero. */
const longestWord = 32 * 4096 - 1;
const mebibyte = 1024 * 1024;

/** Bytes that arguments and environment of a program may have together: execve(2), with room for the shell's own. */
const mostTogether = (): number => {
  const quarter = softLimit('Max stack size') / 4;
  return Math.max(131_072, Math.min(quarter, 6 * mebibyte)) - 8192;
};

/** Which of a command's arguments and variables exceed the kernel's limits, in words; undefined if none do. */
export function argumentProblem(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
): string | undefined {
  const most = mostTogether();
  let together = 0;
  const words = [
    ...argv.map((word, index) => [`argv[${index}]`, word] as const),
    ...Object.entries(environment).map(
      ([name, value]) => [`the variable ${name}`, `${name}=${value}`] as const,
    ),
  ];
  for (const [what, word] of words) {
    const size = Buffer.byteLength(word);
    if (size > longestWord) {
      return `${what} is too long for a program: it has ${size} bytes, and Linux allows ${longestWord}. Pass it as the input, or in a file.`;
    }
    // Each also needs its final zero and a pointer.
    together += size + 9;
  }
  if (together <= most) return undefined;
  return `the argument list is too long for a program: its arguments and variables have ${together} bytes, and this machine allows ${most}. Pass some of it as the input, or in a file.`;
}
