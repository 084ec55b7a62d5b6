import type { FuncKeywordDefinition, SchemaValidateFunction } from 'ajv';

/** A value as text, the same for all that JSON Schema takes for equal: the order of keys means nothing. */
const canonical = (value: unknown): string => {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value === 0 ? 0 : value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const keys = Object.keys(value).sort();
  const parts = keys.map(
    (key) => `${JSON.stringify(key)}:${canonical((value as Record<string, unknown>)[key])}`,
  );
  return `{${parts.join(',')}}`;
};

const validate: SchemaValidateFunction = (wanted: boolean, items: readonly unknown[]) => {
  const seen = new Map<string, number>();
  const second = wanted
    ? items.findIndex((item, index) => {
        const text = canonical(item);
        if (seen.has(text)) return true;
        seen.set(text, index);
        return false;
      })
    : -1;
  if (second < 0) return true;
  const first = seen.get(canonical(items[second]));
  validate.errors = [{ keyword: 'uniqueItems', params: { i: second, j: first } }];
  return false;
};

/** `uniqueItems` in a time linear in the items: ajv compares each with each. */
export const distinctItems: FuncKeywordDefinition = {
  keyword: 'uniqueItems',
  type: 'array',
  schemaType: 'boolean',
  errors: true,
  validate,
};
