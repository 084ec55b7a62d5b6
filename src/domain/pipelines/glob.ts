/**
 * Patterns of file names, as shells have them: `*` and `?` within a name, `[abc]`, `[a-z]` and `[!abc]`, and `**` for
 * any folders. As in shells, what begins with a dot has to be asked for with a dot.
 */

/** What is wrong with a pattern, as the rest of a sentence; undefined if it is one. */
export function globProblem(pattern: string): string | undefined {
  if (pattern.startsWith('/')) return 'it is taken from the working folder and may not begin with "/"';
  const parts = pattern.split('/');
  if (parts.includes('..')) return 'it may not contain ".."';
  if (parts.includes('') || parts.includes('.')) return 'it has an empty part';
  if (pattern.includes('\0')) return 'it may not contain NUL';
  return undefined;
}

/**
 * The pattern as a test of paths with `/` between their parts. It takes time in proportion to both lengths at most: as a
 * regular expression, a pattern with many `*` could hold up everybody.
 */
export function globMatcher(pattern: string): (path: string) => boolean {
  const parts = pattern.split('/').map(partOf);
  // At the end it is for files, too: there has to be a name.
  if (parts.at(-1)?.many) parts.push({ many: false, test: isShown });
  return (path) => matchesAll(path.split('/'), parts);
}

/** How many folders deep a pattern can reach; Infinity with `**`. */
export const globDepth = (pattern: string): number =>
  pattern.split('/').includes('**') ? Number.POSITIVE_INFINITY : pattern.split('/').length;

/** What one thing in a row has to be, or any number of things one after the other. */
interface Part {
  many: boolean;
  test: (text: string) => boolean;
}

/** True if the things are what the parts say. When it goes wrong, only the latest `many` has to take one thing more. */
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

/** Whether a character is one of a set such as `a-z_`, or none of it. */
function setTest(set: string, isOne: boolean): Part['test'] {
  const members = set.replace(/[\\\]^[]/g, '\\$&');
  // A range the wrong way round holds nothing, and is an error to a regular expression.
  const safe = members.replace(/(.)-(.)/gsu, (range, from: string, to: string) =>
    from <= to ? range : `${from}\\-${to}`,
  );
  const expression = new RegExp(`^[${safe}]$`, 'su');
  return (character) => expression.test(character) === isOne;
}
