/** The first three hexadecimal digits say what a UUID names, as in PipelineJobs' catalogue. */
export const prefixes = { pipeline: '106', job: '107', job_event: '108' } as const;
export type TypedKind = keyof typeof prefixes;

/**
 * A typed UUID from 16 bytes: version nibble 5, RFC 4122 variant, then the kind's prefix over the first three
 * digits.
 *
 * @param bytes 16 bytes: random for a job that runs here, a SHA-1 digest's first 16 for a computed identity
 */
export function typedUuid(kind: TypedKind, bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex');
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) & 3];
  return (
    `${prefixes[kind]}${hex.slice(3, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-` +
    `${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
  );
}

/** True for a well-formed typed UUID of that kind. */
export function isTypedUuid(kind: TypedKind, text: string): boolean {
  return (
    text.startsWith(prefixes[kind]) &&
    /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/.test(text)
  );
}
