import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { archivePath, archiveTarget, shortId } from '../../../src/domain/external-jobs/archive-path.js';
import { typedUuids } from '../../../src/domain/external-jobs/typed-uuid.js';

const prefixes = ['/products/v2', '/sample/tacc-cloud/'];

describe('what may be cleared', () => {
  test.each([
    ['/products/v2/a', '/products/v2/a'],
    ['//products/./v2//a/b/', '/products/v2/a/b'],
    ['/sample/tacc-cloud/x y', '/sample/tacc-cloud/x y'],
    ['/products/v2/...', '/products/v2/...'],
    ['/products/v2/a\\..\\b', '/products/v2/a\\..\\b'],
    ['/products/v2/%2e%2e', '/products/v2/%2e%2e'],
  ])('%s', (given, normal) => {
    expect(archiveTarget(prefixes, given)).toMatchObject({ allowed: true, path: normal });
  });

  test.each([
    '',
    '/',
    '.',
    '/products',
    '/products/v2',
    '/products/v2/',
    '/products/v2/.',
    '/products/v2//./',
    '/products/v22/a',
    '/products/V2/a',
    'products/v2/a',
    '/products/v2/..',
    '/products/v2/a/..',
    '/products/v2/a/../b',
    '/products/v2/../../etc',
    '/etc',
    '/products/v2/a\0',
    '/products/v2/\0/../..',
    '/other/products/v2/a',
    '~/products/v2/a',
    '/products/v2/.penstock-0-old',
  ])('not %j', (given) => {
    expect(archiveTarget(prefixes, given)).toEqual({ allowed: false, reason: expect.any(String) });
  });

  test.each([['/'], ['//'], ['/.'], [''], ['products'], ['/a/..'], ['/..']])('no prefix: %j', (prefix) => {
    for (const given of ['/etc', '/products/x', '/a/b', '/x']) {
      expect(archiveTarget([prefix], given).allowed).toBe(false);
    }
  });
});

const piece = fc.oneof(
  fc.constantFrom(
    '..',
    '.',
    '',
    '/',
    '//',
    '\0',
    'products',
    'v2',
    'sample',
    'tacc-cloud',
    '\\',
    '~',
    '…',
    'a',
  ),
  fc.string({ unit: 'binary', maxLength: 4 }),
);
const wild = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join('')),
  fc.array(piece, { maxLength: 8 }).map((pieces) => `/products/v2/${pieces.join('/')}`),
);

test('no text whatever leads outside a prefix, or to one', () => {
  fc.assert(
    fc.property(wild, (text) => {
      const target = archiveTarget(prefixes, text);
      if (!target.allowed) return;
      // By the rules of the system that would open it, whatever our own are.
      const real = path.posix.resolve(`/root${text}`);
      expect(real).toBe(`/root${target.path}`);
      expect(`/${[...target.prefix, ...target.below].join('/')}`).toBe(target.path);
      expect(target.below.length).toBeGreaterThan(0);
      expect(
        ['/root/products/v2/', '/root/sample/tacc-cloud/'].some(
          (prefix) => real.startsWith(prefix) && real.length > prefix.length,
        ),
      ).toBe(true);
      expect(target.path).not.toContain('\0');
    }),
    { numRuns: 20_000 },
  );
});

test('what is allowed stays allowed in its normal form', () => {
  fc.assert(
    fc.property(wild, (text) => {
      const target = archiveTarget(prefixes, text);
      if (target.allowed) expect(archiveTarget(prefixes, target.path)).toEqual(target);
    }),
  );
});

describe('where results go', () => {
  const ids = { uuids: typedUuids(), salt: 'xCPJ7PKTdp8BYYb4twh9xNYD' };
  const job = {
    pipelineUuid: '1064aaf1-459c-5e42-820d-b822aa4b3990',
    childOf: [],
    dataText: '{}',
    session: 'calm.river',
    instancedAt: null,
  };

  test('short ids are those of old', () => {
    expect(shortId(ids, '{}')).toBe('PAVpwrObxp5YjYRvrJOd5yVp');
    expect(shortId(ids, '{"alpha":0.5}')).toBe('0p5yeV3VR3OELzgoJ5kk6Yxw');
    expect(shortId({ ...ids, salt: 'other' }, '{}')).not.toBe('PAVpwrObxp5YjYRvrJOd5yVp');
  });

  test('pipeline, parents, parameters; and a folder of its own for an instanced one', () => {
    const folder = archivePath(ids, job);
    expect(folder).toBe(
      `/products/v2/1064aaf1459c5e42820db822aa4b3990/${shortId(ids, '')}/PAVpwrObxp5YjYRvrJOd5yVp`,
    );
    const instancedAt = new Date('2026-01-31T23:59:58.765Z');
    expect(archivePath(ids, { ...job, instancedAt })).toBe(`${folder}/calm.river-20260131T235958Z`);
    expect(archivePath(ids, { ...job, session: null, instancedAt })).toBe(`${folder}/20260131T235958Z`);
    expect(archivePath(ids, { ...job, childOf: ['a', 'b'] })).toContain(`/${shortId(ids, 'a:b')}/`);
  });

  test('it may always be cleared, and different parameters go to different folders', () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), fc.array(fc.uuid()), (one, other, childOf) => {
        const [first, second] = [one, other].map((dataText) =>
          archivePath(ids, { ...job, childOf, dataText }),
        );
        expect(archiveTarget(['/products/v2'], first ?? '')).toMatchObject({ allowed: true, path: first });
        expect(first === second).toBe(one === other);
      }),
    );
  });
});
