import { PenstockError, type Problem } from '../lib/errors.js';
import { nearest } from '../lib/nearest.js';

/** A body that must be an object with known keys only. Read-only keys may be sent back as they were read. */
export function objectBody(body: unknown, known: readonly string[], what: string): Record<string, unknown> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    const is = body === null ? 'null' : Array.isArray(body) ? 'an array' : `a ${typeof body}`;
    throw new PenstockError('invalid-body', `The body of ${what} must be a JSON object; it is ${is}.`);
  }
  const unknown = Object.keys(body).filter((key) => !known.includes(key));
  if (unknown.length > 0) {
    const problems: Problem[] = unknown.slice(0, 50).map((key) => {
      const near = nearest(key, known);
      return {
        pointer: `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`,
        detail: `unknown key; ${near ? `did you mean "${near}"?` : `known keys: ${known.join(', ')}`}`,
      };
    });
    throw invalid('invalid-body', problems);
  }
  return body as Record<string, unknown>;
}

/** The error for a list of problems: the first one is the headline. */
export function invalid(
  code: 'invalid-body' | 'invalid-definition' | 'invalid-input',
  problems: readonly Problem[],
): PenstockError {
  const [first] = problems;
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  return new PenstockError(code, `${first?.pointer || '/'}: ${first?.detail ?? ''}${more}`, { problems });
}
