import type { HostProblem } from '../host.js';

const meanings: readonly [RegExp, HostProblem][] = [
  [/no space left|quota exceeded/i, 'full'],
  [
    /no such file|not a directory|is a directory|permission denied|read-only|cannot (create|open)/i,
    'missing',
  ],
];

/** What an error message of a shell or a tool means (in English: with `LC_ALL=C`); undefined for any other message. */
export const problemIn = (complaint: string): HostProblem | undefined =>
  meanings.find(([words]) => words.test(complaint))?.[1];
