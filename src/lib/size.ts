const units: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

const shape = /^\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*$/;

/**
 * A size in bytes: `parseSize('10KB')` is 10,000 and `parseSize('10KiB')` is 10,240.
 *
 * Units follow the standards (IEC 80000-13), in any case: KB, MB, GB and TB are powers of 1,000, KiB, MiB, GiB and TiB
 * powers of 1,024. A bare `K` or `M` can mean either, so it is refused.
 * Fractions are rounded to the nearest byte. A plain number, or text without a unit, is a number of bytes.
 *
 * @returns the bytes, or undefined if the value is not a size or is too large to count exactly
 */
export function parseSize(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const [, digits = '', unit = ''] = shape.exec(value) ?? [];
  const factor = units[unit === '' ? 'b' : unit.toLowerCase()];
  if (digits === '' || factor === undefined) return undefined;
  const bytes = Math.round(Number(digits) * factor);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}
