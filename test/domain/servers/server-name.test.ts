import fc from 'fast-check';
import { expect, test } from 'vitest';
import { serverName } from '../../../src/domain/servers/server-name.js';

test('a server has a name that begins with a letter, and is as random as it was', () => {
  fc.assert(
    fc.property(fc.uuid(), (uuid) => {
      expect(serverName(uuid)).toMatch(/^[a-f][0-9a-f]{7}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect(serverName(uuid).slice(1)).toBe(uuid.slice(1));
    }),
  );
});
