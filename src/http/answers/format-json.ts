import { writtenNumber } from '../../domain/json/written-json.js';

/**
 * JSON in the layout of the older registry: sorted keys, `", "` and `": "` as separators, minimal escaping, and numbers
 * exactly as they were sent.
 */
export function formatJson(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null';
    case 'boolean':
      return value ? 'true' : 'false';
    case 'bigint':
      return value.toString();
    case 'object':
      break;
    default:
      return 'null';
  }
  const known = formatted.get(value);
  if (known !== undefined) return known;
  let text: string;
  if (Array.isArray(value)) {
    text = `[${value.map((item, index) => writtenNumber(value, index, item) ?? formatJson(item)).join(', ')}]`;
  } else if (value instanceof Date) {
    text = JSON.stringify(value);
  } else {
    const entries = value as Record<string, unknown>;
    const parts: string[] = [];
    for (const key of Object.keys(entries).sort()) {
      const item = entries[key];
      if (item === undefined) continue;
      parts.push(`${JSON.stringify(key)}: ${writtenNumber(entries, key, item) ?? formatJson(item)}`);
    }
    text = `{${parts.join(', ')}}`;
  }
  if (Object.isFrozen(value)) formatted.set(value, text);
  return text;
}

/** The texts of frozen objects, which appear in lists again and again. */
const formatted = new WeakMap<object, string>();
