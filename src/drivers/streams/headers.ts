/** The value of an AMQP header as text, if it can be text. */
function headerText(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '';
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  if (typeof value !== 'object') return String(value);
  // amqplib's form of types that JavaScript does not have.
  const { '!': type, value: inner } = value as { '!'?: string; value?: unknown };
  if (type === 'timestamp' && typeof inner === 'number' && Math.abs(inner) < 8.64e12) {
    return new Date(inner * 1000).toISOString();
  }
  return JSON.stringify(type === undefined ? value : inner);
}

/** Headers of other programs' messages, which may hold more than text: numbers, dates, lists. */
export function textHeaders(headers: Readonly<Record<string, unknown>> | undefined): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, headerText(value)]));
}
