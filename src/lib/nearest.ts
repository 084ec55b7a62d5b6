import { distance } from 'fastest-levenshtein';

/** No suggestions for names longer than this, in characters. */
const longestGuess = 300;

/**
 * The known word that somebody who wrote `name` most likely meant, or undefined if none is close.
 *
 * Case, `_`, `-` and spaces do not count (`processType` is `process_type`). About one letter in three may be wrong, but
 * at most three. An abbreviation of three letters or more matches the word that it begins (`env` for `environment`).
 * Of several equally near words the first known one wins.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > longestGuess) return undefined;
  const wanted = fold(name);
  const allowed = Math.min(3, Math.max(1, Math.floor(wanted.length / 3)));
  let best: string | undefined;
  let bestDistance = allowed + 1;
  for (const word of known) {
    const candidate = fold(word);
    // The lengths alone show that it is too far.
    if (Math.abs(candidate.length - wanted.length) >= bestDistance) continue;
    const steps = mistakes(wanted, candidate);
    // If every letter differs, it is not a misspelling: `x` is not a mistyped `y`.
    if (steps < bestDistance && steps < Math.max(wanted.length, candidate.length)) {
      best = word;
      bestDistance = steps;
    }
  }
  if (best !== undefined || wanted.length < 3) return best;
  return known.find((word) => fold(word).startsWith(wanted));
}

/** The Levenshtein distance, except that two swapped letters are one mistake, not two. */
function mistakes(wanted: string, candidate: string): number {
  const steps = distance(wanted, candidate);
  return steps === 2 && sorted(wanted) === sorted(candidate) ? 1 : steps;
}

function sorted(word: string): string {
  return [...word].sort().join('');
}

function fold(word: string): string {
  return word.toLowerCase().replace(/[\s_-]/g, '');
}
