/** The media type that a file's first bytes tell; null if they do not. Text is never told. */
export async function sniffedType(file: string): Promise<string | null> {
  const { fileTypeFromFile } = await import('file-type');
  return (await fileTypeFromFile(file))?.mime ?? null;
}
