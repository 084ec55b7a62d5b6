/** Why a text cannot be the name of a file in its folder, as a sentence; undefined if it can. */
export function fileNameProblem(name: string): string | undefined {
  const why = whyNoName(name);
  return why === undefined
    ? undefined
    : `${JSON.stringify(name.slice(0, 80))} cannot be a file name: ${why}.`;
}

function whyNoName(name: string): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'it is not a name';
  if (/[/\\\0]/.test(name)) return 'it must not contain a slash, a backslash or NUL';
  if (Buffer.byteLength(name) > 255) return 'it is longer than 255 bytes';
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is rejected
  if (/[\u0001-\u001f\u007f]/.test(name)) return 'it must not contain control characters';
  // Half of a surrogate pair is not a character, and would become a different name on disk.
  return /\p{Surrogate}/u.test(name) ? 'it must not contain half of a surrogate pair' : undefined;
}
