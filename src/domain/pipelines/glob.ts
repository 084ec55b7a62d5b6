/**
 * Patterns of file names as in shells: `*` and `?` within a name, `[abc]`, `[a-z]` and `[!abc]`, and `**` for any
 * folders. As in shells, a name that begins with a dot matches only a pattern that begins with a dot.
 */

/** What is wrong with a pattern, as the rest of a sentence; undefined if nothing is. */
export function globProblem(pattern: string): string | undefined {
  if (pattern.startsWith('/')) return 'it is relative to the working folder and must not begin with "/"';
  const parts = pattern.split('/');
  if (parts.includes('..')) return 'it must not contain ".."';
  if (parts.includes('') || parts.includes('.')) return 'it has an empty part';
  if (pattern.includes('\0')) return 'it must not contain NUL';
  return undefined;
}

/**
 * The pattern as a test of paths with `/` between their parts. Its time is at most proportional to the product of both
 * lengths: as a regular expression, a pattern with many `*` could block the server.
 */
export function globMatcher(pattern: string): (path: string) => boolean {
  const parts = pattern.split('/').map(partOf);
  // A `**` at the end matches files as well, so there must be a name.
  if (parts.at(-1)?.many) parts.push({ many: false, test: isShown });
  return (path) => matchesAll(path.split('/'), parts);
}

/** How many folders deep a pattern can reach; Infinity with `**`. */
export const globDepth = (pattern: string): number =>
  pattern.split('/').includes('**') ? Number.POSITIVE_INFINITY : pattern.split('/').length;

/** A test for one thing of a sequence, or for any number of things in a row. */
interface Part {
  many: boolean;
  test: (text: string) => boolean;
}

/** True if the things match the parts. After a mismatch, only the latest `many` has to take one thing more. */
function matchesAll(things: readonly string[], parts: readonly Part[]): boolean {
  let [thing, part] = [0, 0];
  let latest: { thing: number; part: number } | undefined;
  while (thing < things.length || part < parts.length) {
    const wanted = parts[part];
    const there = things[thing];
    if (wanted?.many) {
      latest = { thing, part };
      part += 1;
    } else if (wanted !== undefined && there !== undefined && wanted.test(there)) {
      thing += 1;
      part += 1;
    } else {
      const more = latest === undefined ? undefined : things[latest.thing];
      if (latest === undefined || more === undefined || !parts[latest.part]?.test(more)) return false;
      latest.thing += 1;
      thing = latest.thing;
      part = latest.part + 1;
    }
  }
  return true;
}

const isShown = (name: string): boolean => !name.startsWith('.');

function partOf(text: string): Part {
  if (text === '**') return { many: true, test: isShown };
  const characters = charactersOf(text);
  const hidden = text.startsWith('.');
  return { many: false, test: (name) => (hidden || isShown(name)) && matchesAll([...name], characters) };
}

function charactersOf(text: string): Part[] {
  const characters: Part[] = [];
  for (let rest = text; rest !== ''; ) {
    const set = /^\[(!?)(\]?[^\]]*)\]/.exec(rest);
    const [first = ''] = rest;
    if (set?.[2]) characters.push({ many: false, test: setTest(set[2], set[1] === '') });
    else if (first === '*' || first === '?') characters.push({ many: first === '*', test: () => true });
    else characters.push({ many: false, test: (character) => character === first });
    rest = rest.slice(set?.[2] ? set[0].length : first.length);
  }
  return characters;
}

/** Whether a character is in a set such as `a-z_`, or is not in it. */
function setTest(set: string, isOne: boolean): Part['test'] {
  const members = set.replace(/[\\\]^[]/g, '\\$&');
  // A reversed range is empty here, but an error in a regular expression.
  const safe = members.replace(/(.)-(.)/gsu, (range, from: string, to: string) =>
    from <= to ? range : `${from}\\-${to}`,
  );
  const expression = new RegExp(`^[${safe}]$`, 'su');
  return (character) => expression.test(character) === isOne;
}
