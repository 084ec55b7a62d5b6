/** A word for a POSIX shell that means exactly `text`. Neither a shell nor an argv can hold NUL. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
