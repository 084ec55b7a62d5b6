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

/** The pattern as a test of paths with `/` between their parts. */
export function globMatcher(pattern: string): (path: string) => boolean {
  const parts = pattern.split('/');
  let source = '^';
  parts.forEach((part, index) => {
    const last = index === parts.length - 1;
    if (part === '**') source += last ? '(?:(?!\\.)[^/]+/)*(?!\\.)[^/]+' : '(?:(?!\\.)[^/]+/)*';
    else source += partSource(part) + (last ? '' : '/');
  });
  const expression = new RegExp(`${source}$`, 'su');
  return (path) => expression.test(path);
}

/** How many folders deep a pattern can reach; Infinity with `**`. */
export const globDepth = (pattern: string): number =>
  pattern.split('/').includes('**') ? Number.POSITIVE_INFINITY : pattern.split('/').length;

function partSource(part: string): string {
  let source = part.startsWith('.') ? '' : '(?!\\.)';
  for (let index = 0; index < part.length; index += 1) {
    const character = part.charAt(index);
    if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]';
    else if (character === '[') {
      const set = /^\[(!?)(\]?[^\]]*)\]/.exec(part.slice(index));
      if (set === null || set[2] === '') source += '\\[';
      else {
        const members = (set[2] ?? '').replace(/[\\\]^[]/g, '\\$&');
        // A range the wrong way round holds nothing, and is an error to a regular expression.
        const safe = members.replace(/(.)-(.)/gsu, (range, from: string, to: string) =>
          from <= to ? range : `${from}\\-${to}`,
        );
        source += `(?!/)[${set[1] === '' ? '' : '^'}${safe}]`;
        index += set[0].length - 1;
      }
    } else source += character.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  }
  return source;
}
