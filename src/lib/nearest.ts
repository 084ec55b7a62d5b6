import { distance } from 'fastest-levenshtein';

/** Characters of a name up to which the nearest right one is looked for. */
const longestGuess = 300;

/**
 * The known word that somebody who wrote `name` most likely meant, or undefined where none is close.
 *
 * Case, `_`, `-` and spaces do not count (`processType` is `process_type`); about one letter in three may be
 * wrong, at most three; a long text is near to nothing; and an abbreviation of three letters or more stands for the word it begins
 * (`env` for `environment`). Of several equally near words the first known one is taken.
 */
export function nearest(name: string, known: readonly string[]): string | undefined {
  if (name.length > longestGuess) return undefined;
  const wanted = fold(name);
  const allowed = Math.min(3, Math.max(1, Math.floor(wanted.length / 3)));
  let best: string | undefined;
  let bestDistance = allowed + 1;
  for (const word of known) {
    const candidate = fold(word);
    // The lengths alone already tell that it is too far.
    if (Math.abs(candidate.length - wanted.length) >= bestDistance) continue;
    const steps = mistakes(wanted, candidate);
    // A word of which nothing is left is no misspelling: `x` is not a mistyped `y`.
    if (steps < bestDistance && steps < Math.max(wanted.length, candidate.length)) {
      best = word;
      bestDistance = steps;
    }
  }
  if (best !== undefined || wanted.length < 3) return best;
  return known.find((word) => fold(word).startsWith(wanted));
}

/** Levenshtein's distance, in which two letters the wrong way round are one mistake and not two. */
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
