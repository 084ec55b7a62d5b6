import { adjectives, animals } from 'unique-names-generator';

/** Shorter words are hard to tell apart. */
const shortest = 4;

/** A session's name: the given name, or if that is too short, an adjective and an animal. `random` is in [0, 1). */
export function sessionName(given: string | undefined, random: () => number): string {
  if (given !== undefined && given.length >= shortest) return given;
  const pick = (words: readonly string[]) => words[Math.floor(random() * words.length)] ?? '';
  return `${pick(adjectives)}-${pick(animals)}`.replace(/[^a-z-]/g, '');
}
