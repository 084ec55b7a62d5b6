import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { paging, readListQuery } from '../../src/domain/query.js';
import { pageMeta } from '../../src/http/page-links.js';
import { definitionFields } from '../../src/usecases/definitions/definition-fields.js';

const path = '/api/process_definition/';
type Pairs = [string, string][];
const pairsOf = (link: string): Pairs => [...new URLSearchParams(link.slice(link.indexOf('?') + 1))];
const text = fc.oneof(
  fc.string(),
  fc.constantFrom('limit', 'offset', 'order_by', 'id__in', '-id', 'constructor', '__proto__', '1,2', 'None'),
);
const anyPairs = fc.array(fc.tuple(text, text), { maxLength: 8 });

describe('readListQuery', () => {
  test('never throws; what it refuses it names', () => {
    fc.assert(
      fc.property(anyPairs, fc.boolean(), (pairs, paged) => {
        const read = readListQuery(pairs, definitionFields, paged);
        if (!read.ok) expect(pairs.map(([name]) => `?${name}`)).toContain(read.problem.pointer);
      }),
    );
  });

  test('the limit is always 1 to the maximum, the offset what was asked', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (limit, offset) => {
        const read = readListQuery(
          [
            ['limit', String(limit)],
            ['offset', String(offset)],
          ],
          definitionFields,
        );
        const expected = limit === 0 || limit > paging.maxLimit ? paging.maxLimit : limit;
        expect(read).toMatchObject({ ok: true, value: { limit: expected, offset } });
      }),
    );
  });

  test('a number in a filter is that number; other texts are refused', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.string(), (number, junk) => {
        const good = readListQuery([['id', String(number)]], definitionFields);
        expect(good).toMatchObject({
          ok: true,
          value: { filters: [{ field: 'id', lookup: 'exact', values: [number] }] },
        });
        fc.pre(!/^-?\d+$/.test(junk));
        expect(readListQuery([['id', junk]], definitionFields).ok).toBe(false);
      }),
    );
  });

  test.each([
    '9007199254740992',
    '18446744073709551616',
    '1'.repeat(400),
  ])('a limit, an offset or an id of %s is taken for the largest that there is', (beyond) => {
    const pairs: Pairs = [
      ['limit', beyond],
      ['offset', beyond],
      ['id__lt', beyond],
      ['id__gt', `-${beyond}`],
    ];
    const values = [Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER].map((value) => ({ values: [value] }));
    expect(readListQuery(pairs, definitionFields)).toMatchObject({
      ok: true,
      value: { limit: paging.maxLimit, offset: Number.MAX_SAFE_INTEGER, filters: values },
    });
    expect(readListQuery([['offset', `-${beyond}`]], definitionFields).ok).toBe(false);
  });

  test('in without a value selects nothing; one that is empty among others is refused', () => {
    for (const name of ['id__in', 'name__in', 'owner__in']) {
      expect(readListQuery([[name, '']], definitionFields)).toMatchObject({
        ok: true,
        value: { filters: [{ lookup: 'in', values: [] }] },
      });
    }
    expect(readListQuery([['id__in', '1,,2']], definitionFields).ok).toBe(false);
    expect(readListQuery([['created__range', '']], definitionFields).ok).toBe(false);
  });

  test('where there are no pages, whatever asks for one is refused by its name', () => {
    for (const name of ['limit', 'offset', 'order_by', 'sort_by']) {
      const read = readListQuery([[name, name.endsWith('by') ? 'name' : '3']], definitionFields, false);
      expect(read).toMatchObject({ ok: false, problem: { pointer: `?${name}` } });
    }
    expect(readListQuery([['name', 'x']], definitionFields, false).ok).toBe(true);
  });

  test('only what the route reads itself passes besides, and what is understood everywhere', () => {
    const read = (name: string, besides: string[]) =>
      readListQuery([[name, '1']], definitionFields, true, besides);
    expect(read('follow', ['follow'])).toMatchObject({ ok: true, value: { filters: [] } });
    expect(read('follow', []).ok).toBe(false);
    expect(read('_', [])).toMatchObject({ ok: true, value: { filters: [] } });
    for (const name of ['callback', 'wait', 'fullschema', '__', '_1']) expect(read(name, []).ok).toBe(false);
  });

  test.each([
    ['exce', 'exec'],
    ['lmit', 'limit'],
    ['ownr', 'owner'],
    ['crated__gt', 'created'],
  ])('%s: did you mean %s?', (wrong, right) => {
    const read = readListQuery([[wrong, '1']], definitionFields);
    expect(read.ok ? '' : read.problem.detail).toContain(`Did you mean '${right}'?`);
  });

  test.each(['constructor', 'toString', '__proto__', 'hasOwnProperty', ''])('%j is no field', (name) => {
    for (const pair of [
      [name, 'x'],
      ['order_by', name],
    ] as const) {
      const read = readListQuery([pair], definitionFields);
      expect(read.ok ? '' : read.problem.detail).toMatch(/no field|No matching/);
    }
  });
});

describe('pageMeta', () => {
  const page = fc.record({ limit: fc.integer({ min: 1, max: 1000 }), offset: fc.nat(100_000) });

  test('the links lead to the neighbours, and there are none beyond the ends', () => {
    fc.assert(
      fc.property(anyPairs, page, fc.nat(100_000), (pairs, { limit, offset }, total) => {
        const meta = pageMeta(path, pairs, { limit, offset }, total);
        expect(meta.next === null).toBe(offset + limit >= total);
        expect(meta.previous === null).toBe(offset - limit < 0);
        for (const [link, to] of [
          [meta.next, offset + limit],
          [meta.previous, offset - limit],
        ] as const) {
          if (link === null) continue;
          expect(link.startsWith(`${path}?`)).toBe(true);
          const kept = pairs.filter(([name]) => name !== 'limit' && name !== 'offset');
          const wellFormed = kept.map(([name, value]) => [
            Buffer.from(name).toString(),
            Buffer.from(value).toString(),
          ]);
          expect(pairsOf(link)).toEqual([...wellFormed, ['limit', String(limit)], ['offset', String(to)]]);
        }
      }),
    );
  });

  test('the link of a list of thousands of ids is about as long as the URL that asked for it', () => {
    const ids = Array.from({ length: 3000 }, (_, index) => 1000 + index).join(',');
    const pairs: Pairs = [['id__in', ids]];
    const { next } = pageMeta(path, pairs, { limit: 20, offset: 0 }, 3000);
    expect(next?.length).toBeLessThan(ids.length + 200);
    expect(pairsOf(next ?? '')[0]).toEqual(['id__in', ids]);
  });

  test('following next from the start shows every object once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(300), (limit, total) => {
        let seen = 0;
        let pairs: Pairs = [['limit', String(limit)]];
        for (;;) {
          const read = readListQuery(pairs, definitionFields);
          if (!read.ok) throw new Error(read.problem.detail);
          seen += Math.max(0, Math.min(read.value.limit, total - read.value.offset));
          const { next } = pageMeta(path, pairs, read.value, total);
          if (next === null) break;
          pairs = pairsOf(next);
        }
        expect(seen).toBe(total);
      }),
    );
  });
});
