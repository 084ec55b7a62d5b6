import { describe, expect, test } from 'vitest';
import { fits, mayHold, sameKind } from '../../../src/domain/inputs/media-type.js';

describe('a media type', () => {
  test.each([
    ['audio/mpeg', 'audio/mpeg'],
    ['audio/mpeg', 'audio/*'],
    ['Audio/MPEG; rate=1', 'audio/mpeg'],
    ['audio/x-wav', 'audio/wav'],
    ['audio/vnd.wave', 'audio/wav'],
    ['audio/x-m4a', 'audio/mp4'],
    ['audio/mpeg', 'audio/mp3'],
    ['video/vnd.avi', 'video/x-msvideo'],
    ['application/xml', 'text/xml'],
  ])('%s is %s', (type, wanted) => {
    expect(fits(type, wanted)).toBe(true);
  });
  test.each([
    ['video/mp4', 'audio/*'],
    ['audiophile/x', 'audio/*'],
    ['image/png', 'image/jpeg'],
    ['text/plain', 'text/csv'],
  ])('%s is not %s', (type, wanted) => {
    expect(fits(type, wanted)).toBe(false);
  });

  test.each([
    ['application/xml', 'image/svg+xml', true],
    ['application/xml', 'image/*', true],
    ['application/xml', 'image/png', false],
    ['application/xml', 'audio/*', false],
    ['application/zip', 'application/vnd.google-earth.kmz', true],
    ['application/zip', 'audio/*', false],
    ['image/png', 'image/svg+xml', false],
  ])('first bytes that say %s may be those of %s: %s', (found, wanted, held) => {
    expect(mayHold(found, wanted)).toBe(held);
  });

  test.each([
    ['', ['audio/*'], true],
    ['application/octet-stream', ['audio/*'], true],
    ['application/x-www-form-urlencoded', ['audio/*'], true],
    ['text/plain; charset=utf-8', ['text/csv'], true],
    ['text/plain', ['audio/*'], false],
    ['image/png', ['audio/*'], false],
  ])('a client that says %j may send one of %j: %s', (said, wanted, may) => {
    expect(sameKind(said, wanted)).toBe(may);
  });
});
