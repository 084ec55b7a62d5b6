/**
 * How records are told apart in a stream of bytes: by a newline or a NUL after each, by a length of 4 bytes (big
 * endian) before each, or not at all, where each piece that comes is a record.
 */
export type Framing = 'line' | 'nul' | 'length' | 'none';
