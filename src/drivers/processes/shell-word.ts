/** A word for a POSIX shell that means exactly `text`. NUL cannot be said in a shell, nor in an argv. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
