/** What keeps a text from being the name of a file, in a sentence; undefined if nothing does. It must stay in its folder. */
export function fileNameProblem(name: string): string | undefined {
  const why = whyNoName(name);
  return why === undefined
    ? undefined
    : `${JSON.stringify(name.slice(0, 80))} cannot be a file name: ${why}.`;
}

function whyNoName(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'it is no name';
  if (/[/\\\0]/.test(name)) return 'it must not hold a slash, a backslash or NUL';
  if (Buffer.byteLength(name) > 255) return 'it is longer than 255 bytes';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0001-\u001f\u007f]/.test(name)) return 'it must not hold control characters';
  // Half of a surrogate pair is no character, and would become another name on the disk.
  return /\p{Surrogate}/u.test(name) ? 'it must not hold half of a surrogate pair' : undefined;
}
